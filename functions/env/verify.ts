import { envOf } from './variables.ts';

/** Environment of the function `verify`. */
export const verifyEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
