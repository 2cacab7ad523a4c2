import type { z } from 'zod';
import { envOf } from './variables.ts';

/** Environment of the function `publish`. */
export const publishEnv = envOf('EVENT_BUS');
export type PublishEnv = z.input<typeof publishEnv>;
