import { z } from 'zod';
import { mysqlPositionSchema } from '../positions/position.ts';
import { archiveEndSchema } from '../records/agent.ts';
import { hostId, id, instant, mintedId } from '../records/ids.ts';

/** One day of one timeline: what its segments, all in one chain, make together. */
export const logRangeSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  set: id,
  timeline: mintedId,
  /** `2026-11-23`, UTC, by the keys of the segments. */
  day: z.string().regex(/^\d{4}-\d{2}-\d{2}$/),
  segments: z.int().min(1),
  bytes: z.int().min(1),
  transactions: z.int().min(0),
  ddl: z.int().min(0),
  first: z.object({ key: z.string(), seq: z.int().min(0), start: mysqlPositionSchema, seen: instant }),
  last: archiveEndSchema,
  /** Smallest and largest commit time in microseconds since 1970. */
  commits: z.object({ first: z.int(), last: z.int() }).nullable(),
});

export const logReceiptFacts = ['opened', 'range', 'gap', 'dead-branch'] as const;

/**
 * What the control plane writes about an archive; hosts cannot write it. `opened`: a timeline begins. `range`: a day of
 * it is complete. `gap` and `dead-branch`: it has ended, and why.
 */
export const logReceiptSchema = z.object({
  v: z.literal(1),
  fact: z.enum(logReceiptFacts),
  clusterId: id,
  set: id,
  timeline: mintedId,
  /** Time of the cause, so that a second call meets its own receipt. */
  at: instant,
  by: z.string(),
  reason: z.string(),
  /** Of `opened`: who archives, by which order. */
  archiver: z.object({ memberId: id, hostId, epoch: z.int().min(0) }).optional(),
  range: logRangeSchema.optional(),
  /** Of `gap` and `dead-branch`: where the archive ended. */
  newest: archiveEndSchema.nullable().optional(),
});

export type LogRange = z.infer<typeof logRangeSchema>;
export type LogReceipt = z.infer<typeof logReceiptSchema>;
