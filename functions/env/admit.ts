import { envOf } from './variables.ts';

/** Environment of the function `admit`. */
export const admitEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'POLICY_PREFIX');
