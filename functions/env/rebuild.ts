import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `rebuild`. */
export const rebuildEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SITES');
export type RebuildEnv = z.input<typeof rebuildEnv>;
