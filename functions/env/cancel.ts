import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `cancel`. */
export const cancelEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type CancelEnv = z.input<typeof cancelEnv>;
