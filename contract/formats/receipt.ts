import { z } from 'zod';
import { backupRecordSchema } from '../records/backup.ts';
import { id, instant, mintedId } from '../records/ids.ts';

export const receiptFacts = [
  'committed',
  'verified',
  'suspect',
  'proven',
  'copied',
  'held',
  'released',
  'quarantined',
  'repaired',
  'expiring',
  'expired',
] as const;

/**
 * What the control plane writes about a backup it ordered; hosts cannot write it. Write-once; the catalog is a fold
 * of these. `backup` carries the whole record as it stood after this fact, so one receipt rebuilds a backup.
 */
export const receiptSchema = z.object({
  v: z.literal(1),
  fact: z.enum(receiptFacts),
  clusterId: id,
  backupId: mintedId,
  /** Time of the cause (not of the write), so that a second call meets its own receipt. */
  at: instant,
  by: z.string(),
  reasons: z.array(z.string()),
  backup: backupRecordSchema,
});

export type ReceiptFact = (typeof receiptFacts)[number];
export type Receipt = z.infer<typeof receiptSchema>;
