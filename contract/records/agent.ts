import { z } from 'zod';
import { openTransactionSchema, type SegmentHeader } from '../formats/segment.ts';
import { mysqlPositionSchema } from '../positions/position.ts';
import { siteRefSchema } from './backup.ts';
import { memberSchema } from './cluster.ts';
import { crc32Hex, hostId, id, instant, mintedId } from './ids.ts';

/** Seconds between two reports of an agent that has nothing else to say. */
export const reportSeconds = 60;
/** An agent that has not reported for this long counts as gone: five reports and the clock's noise. */
export const agentLostSeconds = 310;

/** The agent's row of a host: beside its jobs, in the partition of its own identity. */
export const agentKey = (userid: string) => ({ pk: userid, sk: 'agent' });

/** Where an archive ends: what its newest segment says of itself, with its key and the CRC32 of the stored object. */
export const archiveEndSchema = z.object({
  key: z.string(),
  crc: crc32Hex,
  seq: z.int().min(0),
  epoch: z.int().min(0),
  serverUuid: z.string(),
  log: z.object({
    file: z.string(),
    from: z.int().min(0),
    to: z.int().min(0),
    last: z.boolean(),
    crc: crc32Hex,
  }),
  end: mysqlPositionSchema,
  openAfter: openTransactionSchema.nullable(),
  anonymous: z.literal(true).optional(),
  seen: instant,
});

/** The end of an archive whose newest segment has this header. */
export const archiveEndOf = (header: SegmentHeader, key: string, crc: string): ArchiveEnd => ({
  key,
  crc,
  seq: header.seq,
  epoch: header.epoch,
  serverUuid: header.server.uuid,
  log: {
    file: header.log.file,
    from: header.log.from,
    to: header.log.to,
    last: header.log.last,
    crc: header.log.crc,
  },
  end: header.end,
  openAfter: header.openAfter,
  ...(header.anonymous ? { anonymous: true as const } : {}),
  seen: header.seen.last,
});

/** To archive: who, into which timeline, from where on. */
export const archiveOrderSchema = z.object({
  timeline: mintedId,
  /** Counts the archivers of a set; a later one outranks an earlier one. */
  epoch: z.int().min(0),
  intervalSeconds: z.int().min(2).max(3600),
  segmentBytes: z
    .int()
    .min(65536)
    .max(64 * 1024 * 1024),
  /** Where the archive ends by the record; null: a new timeline, which begins with a file. */
  after: archiveEndSchema.nullable(),
  /** Position of the backup that a new timeline shall reach back to, where the log still does. */
  anchor: z.string().nullable(),
});

/** One server of this host that belongs to a set whose log is archived; by this member where `archive` says so. */
export const setOrderSchema = z.object({
  clusterId: id,
  set: id,
  flavour: z.enum(['mariadb', 'mysql', 'percona']),
  member: memberSchema,
  site: siteRefSchema,
  archive: archiveOrderSchema.nullable(),
});

export const agentOrdersSchema = z.object({ at: instant, sets: z.array(setOrderSchema) });

export const archiveStateSchema = z.enum([
  /** Everything that the server showed is stored, or will be with the next segment. */
  'archiving',
  /** The member has not yet what the archive has. */
  'behind',
  /** The log that comes next is gone from the server. */
  'gap',
  /** What is archived is not in this member's history. */
  'dead-branch',
  /** The log cannot be archived as it is. */
  'refused',
  /** Something broke and is tried again. */
  'failing',
]);

/** What an agent says of one server. */
export const setReportSchema = z.object({
  clusterId: id,
  set: id,
  memberId: id,
  reachable: z.boolean(),
  role: z.enum(['primary', 'replica', 'standalone']).nullable(),
  serverVersion: z.string(),
  serverUuid: z.string(),
  /** Why this member cannot be the one that archives; empty when it can. */
  unfit: z.array(z.string()),
  /** What its log holds by its own account. */
  gtid: z.string(),
  archive: z
    .object({
      timeline: mintedId,
      epoch: z.int().min(0),
      state: archiveStateSchema,
      reason: z.string(),
      newest: archiveEndSchema.nullable(),
      /** Everything that was in the log at this time is stored. */
      durableAt: instant.nullable(),
    })
    .nullable(),
});

export const agentReportSchema = z.object({
  at: instant,
  startedAt: instant,
  runnerVersion: z.string(),
  disks: z.array(z.object({ path: z.string(), bytes: z.number(), freeBytes: z.number() })),
  sets: z.array(setReportSchema),
});

/** The row: orders come down, reports go up. Its host may write all of it; control takes only the report from it. */
export const agentRowSchema = z.object({
  v: z.literal(1),
  pk: z.string(),
  sk: z.literal('agent'),
  hostId,
  orders: agentOrdersSchema,
  report: agentReportSchema.optional(),
});

export type ArchiveEnd = z.infer<typeof archiveEndSchema>;
export type ArchiveOrder = z.infer<typeof archiveOrderSchema>;
export type ArchiveState = z.infer<typeof archiveStateSchema>;
export type SetOrder = z.infer<typeof setOrderSchema>;
export type SetReport = z.infer<typeof setReportSchema>;
export type AgentOrders = z.infer<typeof agentOrdersSchema>;
export type AgentReport = z.infer<typeof agentReportSchema>;
export type AgentRow = z.infer<typeof agentRowSchema>;
