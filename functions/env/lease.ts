import { envOf } from './variables.ts';

/** Environment of the function `lease`. */
export const leaseEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
