import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `lease`. */
export const leaseEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type LeaseEnv = z.input<typeof leaseEnv>;
