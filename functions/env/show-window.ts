import { envOf } from './variables.ts';

/** Environment of the function `show-window`. */
export const showWindowEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES');
