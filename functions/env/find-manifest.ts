import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `find-manifest`. */
export const findManifestEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type FindManifestEnv = z.input<typeof findManifestEnv>;
