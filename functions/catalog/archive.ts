import { z } from 'zod';
import { readStored } from '../../contract/formats/codec.ts';
import { type LogRange, logRangeSchema } from '../../contract/formats/log-receipt.ts';
import { openTransactionSchema } from '../../contract/formats/segment.ts';
import type { TimelinePlace } from '../../contract/layout.ts';
import { mysqlPositionSchema } from '../../contract/positions/position.ts';
import { archiveEndSchema, archiveStateSchema } from '../../contract/records/agent.ts';
import { crc32Hex, hostId, id, instant, mintedId } from '../../contract/records/ids.ts';
import { absent, any, below, equals } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

/** How an archive ended that cannot go on. */
export const archiveBreakSchema = z.object({
  kind: z.enum(['gap', 'dead-branch']),
  at: instant,
  reason: z.string(),
  timeline: mintedId,
});

/** The archive of one set: its timeline, who archives, and up to where it is recorded. */
export const archiveRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  set: id,
  timeline: mintedId,
  openedAt: instant,
  epoch: z.int().min(0),
  memberId: id,
  hostId,
  /** When this member became the one that archives. */
  since: instant,
  /** The newest segment that is recorded; null: none yet. */
  newest: archiveEndSchema.nullable(),
  /**
   * What is stored and not recorded yet, where that is more than one pass reads: places on the way back from what the
   * archiver named, newest first, each reached from the one before it. They count once the last one reaches the record.
   */
  ahead: z.array(z.object({ key: z.string(), crc: crc32Hex })).optional(),
  /** Where the timeline begins. */
  first: z.object({ start: mysqlPositionSchema, seen: instant }).nullable(),
  /** What the archiver last said of itself; `silent`: nothing, for too long. */
  state: z.enum([...archiveStateSchema.options, 'silent']),
  reason: z.string(),
  /** Everything that was in the log at this time is stored and recorded. */
  durableAt: instant.nullable(),
  /** Why the timeline before this one ended. */
  broke: archiveBreakSchema.nullable(),
  /** Counts the writes, so that of two passes at once one goes on. */
  revision: z.int().min(0),
});

/** One recorded segment: what a planner needs to choose it. */
export const segmentRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  set: id,
  timeline: mintedId,
  day: z.string(),
  seq: z.int().min(0),
  key: z.string(),
  crc: crc32Hex,
  bytes: z.int().min(1),
  memberId: id,
  serverUuid: z.string(),
  serverVersion: z.string(),
  log: z.object({ file: z.string(), from: z.int(), to: z.int(), last: z.boolean() }),
  start: mysqlPositionSchema,
  end: mysqlPositionSchema,
  openBefore: openTransactionSchema.nullable(),
  openAfter: openTransactionSchema.nullable(),
  commits: z.object({ first: z.int(), last: z.int() }).nullable(),
  seen: z.object({ first: instant, last: instant }),
  transactions: z.int().min(0),
  ddl: z.int().min(0),
});

export type ArchiveBreak = z.infer<typeof archiveBreakSchema>;
export type ArchiveRecord = z.infer<typeof archiveRecordSchema>;
export type SegmentRecord = z.infer<typeof segmentRecordSchema>;

type SetName = Pick<ArchiveRecord, 'clusterId' | 'set'>;
const archiveKey = ({ clusterId, set }: SetName) => ({ pk: 'ARCHIVE', sk: `${clusterId}#${set}` });
/** At the shortest interval a day has 43,200 segments of half a KiB each: 20 MB in a partition. */
const segmentsOf = ({ clusterId, set, timeline }: TimelinePlace, day: string) =>
  `SEGMENTS#${clusterId}#${set}#${timeline}#${day}`;
const place = (seq: number) => String(seq).padStart(9, '0');
const rangesOf = ({ clusterId, set }: SetName) => `RANGES#${clusterId}#${set}`;

/** Archives, their segments by day, and one range for each day of a timeline. */
export function makeArchives(deps: TableDeps) {
  const table = makeTable(deps);
  const read = (item: Record<string, unknown>) => readStored(archiveRecordSchema, 'archive record', item);
  return {
    async get(of: SetName): Promise<ArchiveRecord | undefined> {
      const item = await table.get(archiveKey(of));
      return item && read(item);
    },

    /** All archives, or those of one cluster. */
    async list(clusterId?: string): Promise<ArchiveRecord[]> {
      const items = await table.query('ARCHIVE', clusterId === undefined ? {} : { prefix: `${clusterId}#` });
      return items.map(read);
    },

    /** Puts the record over the one that was read; false when somebody else has written meanwhile. */
    put: (record: ArchiveRecord, before: ArchiveRecord | undefined): Promise<boolean> =>
      table.put(
        { ...record, ...archiveKey(record), revision: (before?.revision ?? -1) + 1 },
        before === undefined ? absent('pk') : equals('revision', before.revision),
      ),

    /** From a receipt, for the rebuild: the newest timeline of a set is its archive, whatever comes first. */
    async restore(record: ArchiveRecord): Promise<void> {
      await table.put(
        { ...record, ...archiveKey(record) },
        any(absent('pk'), below('openedAt', record.openedAt)),
      );
    },

    /** Twice is harmless: a segment never changes. */
    async putSegment(record: SegmentRecord): Promise<void> {
      await table.put({ ...record, pk: segmentsOf(record, record.day), sk: place(record.seq) });
    },

    /** The segments of one day in their order. */
    async segments(of: TimelinePlace, day: string): Promise<SegmentRecord[]> {
      const items = await table.query(segmentsOf(of, day));
      return items.map((item) => readStored(segmentRecordSchema, 'segment record', item));
    },

    async putRange(range: LogRange): Promise<void> {
      await table.put({ ...range, pk: rangesOf(range), sk: `${range.timeline}#${range.day}` });
    },

    /** The days of every timeline of a set. */
    async allRanges(of: SetName): Promise<LogRange[]> {
      const items = await table.query(rangesOf(of));
      return items.map((item) => readStored(logRangeSchema, 'log range', item));
    },

    /** The days of a timeline in their order. */
    async ranges(of: TimelinePlace): Promise<LogRange[]> {
      const items = await table.query(rangesOf(of), { prefix: `${of.timeline}#` });
      return items.map((item) => readStored(logRangeSchema, 'log range', item));
    },
  };
}

export type Archives = ReturnType<typeof makeArchives>;
