import { z } from 'zod';
import { hostId } from './ids.ts';

/** Where a restore puts its instance, or works on single tables. */
export const restoreTargetSchema = z.strictObject({
  hostId,
  directory: z
    .string()
    .regex(/^\/[^\0]+$/, 'must be an absolute path')
    .max(400),
  port: z.int().min(1024).max(65535),
  /** Operating-system user the restored server runs as. */
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/)
    .default('mysql'),
});

export type RestoreTarget = z.infer<typeof restoreTargetSchema>;
