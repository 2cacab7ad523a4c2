import { envOf } from './variables.ts';

/** Environment of the function `cancel-closed`. */
export const cancelClosedEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
