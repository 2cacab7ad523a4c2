import { z } from 'zod';
import { mysqlPositionSchema } from '../positions/position.ts';
import { crc32Hex, id, mintedId } from './ids.ts';

/** A stored segment, by key and CRC32 of its bytes, so that no other can be put in its place. */
export const segmentRefSchema = z.object({ key: z.string().min(1).max(300), crc: crc32Hex });

/**
 * The stretch of an archived log that a restore replays after its backup. It may have thousands of segments, so the
 * order names some of them, newest first: from each the runner walks back, every segment naming the key and CRC32 of
 * the one before it, down to the next named one or to `first`.
 */
export const logOrderSchema = z.object({
  set: id,
  timeline: mintedId,
  /** Where the backup's data stands. */
  from: mysqlPositionSchema,
  /** The exact end: GTIDs, and the file and offset at which the log is cut off. */
  until: mysqlPositionSchema,
  /** Key of the oldest segment. */
  first: z.string().min(1).max(300),
  ends: z.array(segmentRefSchema).min(1).max(64),
  segments: z.int().min(1),
  /** Bytes of log in them. */
  bytes: z.int().min(1),
});

export type SegmentRef = z.infer<typeof segmentRefSchema>;
export type LogOrder = z.infer<typeof logOrderSchema>;

/** What a replay came to, as the result of its job tells. */
export const replayResultSchema = z.object({
  reached: mysqlPositionSchema,
  seconds: z.number(),
  /** Prepared transactions that nobody had decided on before the point. */
  prepared: z.array(z.string()).max(50),
  /** Events that the replay left disabled, as on a replica. */
  disabledEvents: z.array(z.string()).max(50),
  /** Tables of which nothing, or nothing more, was replayed: another server's, or MEMORY tables that lost their rows. */
  leftOut: z.array(z.string()).max(50).optional(),
});
