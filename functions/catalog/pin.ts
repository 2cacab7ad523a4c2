import { z } from 'zod';
import { id, instant, mintedId } from '../../contract/records/ids.ts';
import { makeTable, type TableDeps } from './table.ts';

const pinRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  backupId: mintedId,
  /** What of the cluster's log it reads besides: keys of the first and the last segment. */
  log: z.object({ set: id, timeline: mintedId, first: z.string(), last: z.string() }).optional(),
  /** ARN of the execution that reads the backup. */
  execution: z.string(),
  since: instant,
  /** The reader's claim ends here unless it renews. */
  until: instant,
});

/** A reader's claim on a backup, with an end. */
export type PinRecord = z.infer<typeof pinRecordSchema>;

const prefix = (clusterId: string, backupId: string) => `${clusterId}#${backupId}#`;
const key = (pin: Pick<PinRecord, 'clusterId' | 'backupId' | 'execution'>) => ({
  pk: 'PIN',
  sk: `${prefix(pin.clusterId, pin.backupId)}${pin.execution}`,
});

/** Pins: one record per reader and backup, so that setting, renewing and removing twice are harmless. */
export function makePins(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    /** Sets or renews. */
    async put(pin: PinRecord): Promise<void> {
      await table.put({ ...pin, ...key(pin) });
    },

    async release(pin: Pick<PinRecord, 'clusterId' | 'backupId' | 'execution'>): Promise<void> {
      await table.remove(key(pin));
    },

    /** Who reads this backup. */
    async of(clusterId: string, backupId: string): Promise<PinRecord[]> {
      const items = await table.query('PIN', { prefix: prefix(clusterId, backupId) });
      return items.map((item) => pinRecordSchema.parse(item));
    },

    /** The pins of one reader on backups of a cluster. */
    async ofExecution(clusterId: string, execution: string): Promise<PinRecord[]> {
      const items = await table.query('PIN', { prefix: `${clusterId}#` });
      return items.map((item) => pinRecordSchema.parse(item)).filter((pin) => pin.execution === execution);
    },

    /** Every pin, for reconcile. */
    async list(): Promise<PinRecord[]> {
      return (await table.query('PIN')).map((item) => pinRecordSchema.parse(item));
    },
  };
}

export type Pins = ReturnType<typeof makePins>;
