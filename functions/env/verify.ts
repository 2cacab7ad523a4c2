import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `verify`. */
export const verifyEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type VerifyEnv = z.input<typeof verifyEnv>;
