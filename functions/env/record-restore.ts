import { envOf } from './variables.ts';

/** Environment of the function `record-restore`. */
export const recordRestoreEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
