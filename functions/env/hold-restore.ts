import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `hold-restore`. */
export const holdRestoreEnv = envOf('CATALOG_TABLE', 'JOBS_TABLE');
export type HoldRestoreEnv = z.input<typeof holdRestoreEnv>;
