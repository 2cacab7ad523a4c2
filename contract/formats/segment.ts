import { z } from 'zod';
import { mysqlPositionSchema } from '../positions/position.ts';
import { crc32Hex, id, instant, mintedId } from '../records/ids.ts';

export const segmentVersion = 1;

/** Bytes, offsets, counts and microseconds since 1970: whole numbers that a double holds exactly. */
const amount = z.int().min(0);

/** A transaction that one segment begins and a later one ends: where its first event lies in the log file. */
export const openTransactionSchema = z.object({ gtid: z.string(), at: amount });

/** One zstd frame after the header's: `stored` bytes that stand for `bytes`. They follow each other without a hole. */
export const segmentFrameSchema = z.object({ stored: z.int().min(1), bytes: z.int().min(1) });

/**
 * First line of a segment: a sealed, immutable piece of one binary log file. A segment is ordinary zstd frames, the
 * first of this line, the second of the index, the rest of the log's bytes from `log.from` up to `log.to`, as they
 * stand in the closed file: `zstd -d | tail -n +3` gives them.
 */
export const segmentHeaderSchema = z.object({
  t: z.literal('segment'),
  v: z.literal(segmentVersion),
  clusterId: id,
  set: id,
  timeline: mintedId,
  /** Its place in the timeline, counted from 0; never a proof of continuity. */
  seq: amount,
  memberId: id,
  hostId: id,
  /** Of the order by which this member archives; a later one outranks it. */
  epoch: amount,
  engine: z.literal('mysql'),
  server: z.object({
    flavour: z.enum(['mariadb', 'mysql']),
    version: z.string(),
    uuid: z.string(),
    serverId: z.number(),
  }),
  log: z.object({
    file: z.string().regex(/^[^/\0]{1,255}$/),
    from: amount,
    to: amount,
    /** No byte of this file follows: the next segment begins the next file, or is another member's. */
    last: z.boolean(),
    /** How the log's own events are checked. */
    checksum: z.enum(['crc32', 'none']),
    /** CRC32 of the bytes `from`…`to`. */
    crc: crc32Hex,
    /**
     * The file's first events (magic, format description, GTIDs before it) in base64, where the segment begins
     * further inside and the one before is not of this file.
     */
    head: z.base64().optional(),
  }),
  /**
   * Where the log stood before and after. MariaDB: per domain the last transaction; MySQL: the set of all. Of an open
   * end, what was complete there. A handover may repeat transactions: `start` is then behind the `end` before it.
   */
  start: mysqlPositionSchema,
  end: mysqlPositionSchema,
  /** The transaction in whose middle the segment begins, or ends (a transaction larger than a segment). */
  openBefore: openTransactionSchema.nullable(),
  openAfter: openTransactionSchema.nullable(),
  /** MySQL with gtid_mode=OFF: its transactions have no GTIDs, and positions are files and offsets of this server alone. */
  anonymous: z.literal(true).optional(),
  /** Smallest and largest commit time of its transactions in microseconds since 1970, null where none ends here. */
  commits: z.object({ first: amount, last: amount }).nullable(),
  /** When the agent saw the first and the last of these bytes. */
  seen: z.object({ first: instant, last: instant }),
  transactions: amount,
  /** How many of them change definitions. */
  ddl: amount,
  /** The segment before it in this timeline; null in the first one. */
  previous: z.object({ key: z.string(), crc: crc32Hex }).nullable(),
  sealedAt: instant,
  runnerVersion: z.string(),
  /** The frames after this one, in their order. */
  frames: z.object({ index: segmentFrameSchema, log: z.array(segmentFrameSchema).min(1) }),
});

/** `prepare` leaves a transaction open beyond its own end; `commit` and `rollback` decide about an earlier one. */
export const xaSchema = z.object({ id: z.string(), does: z.enum(['prepare', 'commit', 'rollback']) });

/** One transaction, in the segment in which it ends. */
export const segmentTransactionSchema = z.object({
  /** `domain-server-sequence` or `uuid[:tag]:number`; empty where the server gives none. */
  gtid: z.string(),
  /** Offset of its first event in the log file (before `log.from` where earlier segments began it), and its length. */
  at: amount,
  bytes: z.int().min(1),
  /**
   * Commit time in microseconds since 1970. MySQL: when this server committed it. MariaDB: the second in which its last
   * statement began, which may lie before that of the transaction before it; `looks` bound it from above.
   */
  time: amount,
  /** The words that a change of definitions begins with (`drop table`). */
  ddl: z.string().optional(),
  /** Places in `tables` of what it touches. */
  tables: z.array(amount).optional(),
  /** It may touch more than `tables` says: written as a statement, or compressed beyond what is looked into. */
  unsure: z.literal(true).optional(),
  xa: xaSchema.optional(),
});

/** Second line of a segment: what is in it. */
export const segmentIndexSchema = z.object({
  t: z.literal('index'),
  v: z.literal(segmentVersion),
  /** `[schema, table]`; the table `*` stands for the whole schema, both `*` for the whole server. */
  tables: z.array(z.tuple([z.string(), z.string()])),
  /** By offset. What lies between them belongs to no transaction (format description, rotation, …). */
  transactions: z.array(segmentTransactionSchema),
  /** Log up to `to` was there at `at`, and what lies behind the `to` before it was not at the look before. */
  looks: z.array(z.object({ to: amount, at: instant })),
});

export type OpenTransaction = z.infer<typeof openTransactionSchema>;
export type SegmentHeader = z.infer<typeof segmentHeaderSchema>;
export type SegmentTransaction = z.infer<typeof segmentTransactionSchema>;
export type SegmentIndex = z.infer<typeof segmentIndexSchema>;
export type Xa = z.infer<typeof xaSchema>;
