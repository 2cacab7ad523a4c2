import { z } from 'zod';
import { positionSchema } from '../positions/position.ts';
import { sha256Hex } from '../records/ids.ts';

/** Facts of one table. `checksum` is null where the data cannot be compared (MEMORY tables are empty after a start). */
export const tableFingerprintSchema = z.object({
  schema: z.string(),
  table: z.string(),
  rows: z.number(),
  /** Decimal sum and xor over all rows, or over `ranges` of the primary key when the set is larger than 1 GiB. */
  checksum: z.string().nullable(),
  ranges: z.array(z.object({ from: z.string(), to: z.string() })).optional(),
});

/** What is compared to prove a restore. Table facts may lie in the job's index folder when there are many. */
export const fingerprintSchema = z.object({
  v: z.literal(1),
  takenAt: z.string(),
  position: positionSchema.nullable(),
  /** SHA-256 over the sorted definitions of tables, views, triggers, routines, events and sequences. */
  schemaSha256: sha256Hex,
  /** SHA-256 over accounts and grants. */
  accountsSha256: sha256Hex,
  /** Seed of the ranges, so that a second reading takes the same ones. */
  seed: z.string(),
  coverage: z.enum(['full', 'ranges']),
  tables: z.array(tableFingerprintSchema),
});

export type TableFingerprint = z.infer<typeof tableFingerprintSchema>;
export type Fingerprint = z.infer<typeof fingerprintSchema>;
