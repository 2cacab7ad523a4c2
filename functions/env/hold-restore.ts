import { envOf } from './variables.ts';

/** Environment of the function `hold-restore`. */
export const holdRestoreEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
