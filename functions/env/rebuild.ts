import { envOf } from './variables.ts';

/** Environment of the function `rebuild`. */
export const rebuildEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES');
