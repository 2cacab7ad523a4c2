import { envOf } from './variables.ts';

/** Environment of the function `broker`. */
export const brokerEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'RESTORE_ROLES');
