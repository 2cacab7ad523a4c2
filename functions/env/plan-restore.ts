import { envOf } from './variables.ts';

/** Environment of the function `plan-restore`. */
export const planRestoreEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES');
