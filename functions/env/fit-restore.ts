import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `fit-restore`: it decides by its input alone. */
export const fitRestoreEnv = envOf();
export type FitRestoreEnv = z.input<typeof fitRestoreEnv>;
