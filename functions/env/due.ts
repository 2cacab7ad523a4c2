import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `due`. */
export const dueEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE', 'SCRATCH_BUCKET', 'POLICY_PREFIX');
export type DueEnv = z.input<typeof dueEnv>;
