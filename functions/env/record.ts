import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `record`. */
export const recordEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type RecordEnv = z.input<typeof recordEnv>;
