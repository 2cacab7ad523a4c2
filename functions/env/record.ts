import { envOf } from './variables.ts';

/** Environment of the function `record`. */
export const recordEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
