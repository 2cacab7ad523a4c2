import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `cancel-closed`. */
export const cancelClosedEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type CancelClosedEnv = z.input<typeof cancelClosedEnv>;
