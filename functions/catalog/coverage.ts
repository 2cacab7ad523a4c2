import { z } from 'zod';
import { backupStateSchema } from '../../contract/records/backup.ts';
import { id, instant, mintedId, slotId } from '../../contract/records/ids.ts';
import { makeTable, type TableDeps } from './table.ts';

const backupFactSchema = z.object({
  backupId: mintedId,
  state: backupStateSchema,
  slot: slotId.nullable(),
  startedAt: instant,
  execution: z.string(),
  /** Shortened: the whole text stays in the backup's own record. */
  why: z.string().optional(),
});

const slotFactSchema = z.object({
  slot: slotId,
  attempt: z.int().min(1),
  state: z.enum(['open', 'failed', 'recorded']),
  openedAt: instant,
  error: z.object({ name: z.string(), cause: z.string() }).optional(),
});

export const coverageRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  /** Slots before this instant are nobody's to miss: the cluster was not registered, paused or retired. Null: it is so now. */
  watchedSince: instant.nullable(),
  /** The policy and its schedule by which slots were counted: by another one, they count from the change on. */
  plan: z.string(),
  /** The newest backup that counts. */
  counted: backupFactSchema.nullable(),
  /** The newest one that is under way, begun after that. */
  underWay: backupFactSchema.nullable(),
  /** The newest one that was lost, begun after that. */
  lost: backupFactSchema.nullable(),
  /** The newest committed one, where it is suspect. */
  suspect: backupFactSchema.nullable(),
  /** Of the slots that have a record, the one that should be done by now, and the newest three after it, oldest first. */
  slots: z.array(slotFactSchema).max(4),
  /** Objects below its prefix that nobody ordered; the first of them by name. */
  unclaimed: z.object({ count: z.int().min(0), first: z.array(z.string()).max(3) }),
});

export type BackupFact = z.infer<typeof backupFactSchema>;
export type SlotFact = z.infer<typeof slotFactSchema>;

/**
 * What was last seen of one cluster's backups and slots, small enough that one query tells it of every cluster. It
 * nominates; what is told to people is decided by a look at the backups themselves.
 */
export type CoverageRecord = z.infer<typeof coverageRecordSchema>;

/** Coverages, all in one partition: 5,000 of about 700 bytes are four pages. */
export function makeCoverages(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    /** One that cannot be read, of a newer version perhaps, is left out: its cluster is looked at and it is written anew. */
    async list(): Promise<CoverageRecord[]> {
      const items = await table.query('COVERAGE');
      return items.flatMap((item) => {
        const read = coverageRecordSchema.safeParse(item);
        return read.success ? [read.data] : [];
      });
    },

    /** Whoever writes later has seen later: passes that overlap see the same backups. */
    async put(record: CoverageRecord): Promise<void> {
      await table.put({ ...record, pk: 'COVERAGE', sk: record.clusterId });
    },
  };
}

export type Coverages = ReturnType<typeof makeCoverages>;
