import { envOf } from './variables.ts';

/** Environment of the function `cancel`. */
export const cancelEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
