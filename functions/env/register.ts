import { envOf } from './variables.ts';

/** Environment of the function `register`. */
export const registerEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES', 'POLICY_PREFIX', 'HOST_PLACES');
