import { envOf } from './variables.ts';

/** Environment of the function `release`. */
export const releaseEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
