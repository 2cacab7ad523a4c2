import { envOf } from './variables.ts';

/** Environment of the function `plan`. */
export const planEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES');
