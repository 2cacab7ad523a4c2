import { envOf } from './variables.ts';

/** Environment of the function `retention`. */
export const retentionEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES');
