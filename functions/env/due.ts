import { envOf } from './variables.ts';

/** Environment of the function `due`. */
export const dueEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SCRATCH_BUCKET', 'POLICY_PREFIX');
