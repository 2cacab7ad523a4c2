import { envOf } from './variables.ts';

/** Environment of the function `record-failure`. */
export const recordFailureEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
