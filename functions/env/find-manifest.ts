import { envOf } from './variables.ts';

/** Environment of the function `find-manifest`. */
export const findManifestEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
