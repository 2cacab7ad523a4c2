import { envOf } from './variables.ts';

/** Environment of the function `dispatch`. */
export const dispatchEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'HOST_PLACES');
