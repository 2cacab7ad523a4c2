import { z } from 'zod';
import { instant } from '../../contract/records/ids.ts';
import { absent, any, equals } from './condition.ts';
import { checkWrite, makeTable, type TableDeps, type Write } from './table.ts';

const lockRecordSchema = z.object({
  v: z.literal(1),
  name: z.string(),
  /** ARN of the execution that holds it. */
  holder: z.string(),
  since: instant,
});

/** A held lock: a cluster (`cluster:<clusterId>`) or a target of a restore (`target:<hostId>:<directory>`). No timer frees it. */
export type LockRecord = z.infer<typeof lockRecordSchema>;

const key = (name: string) => ({ pk: 'LOCK', sk: name });

export const clusterLock = (clusterId: string) => `cluster:${clusterId}`;
export const targetLock = (hostId: string, directory: string) => `target:${hostId}:${directory}`;

/** For transactions: the lock is still this execution's. */
export const lockHeldWrite = (table: string, name: string, execution: string): Write =>
  checkWrite(table, key(name), equals('holder', execution));

/** Locks: one record per held lock. Taking and releasing twice is harmless. */
export function makeLocks(deps: TableDeps) {
  const table = makeTable(deps);

  async function get(name: string): Promise<LockRecord | undefined> {
    const item = await table.get(key(name));
    return item && lockRecordSchema.parse(item);
  }

  return {
    get,

    /** `held`: ours now, or already was. `busy` names the holder (null: it was freed between the two looks). */
    async take(
      name: string,
      execution: string,
      since: string,
    ): Promise<{ outcome: 'held' } | { outcome: 'busy'; holder: string | null; since: string | null }> {
      const record: LockRecord = { v: 1, name, holder: execution, since };
      const taken = await table.put(
        { ...record, ...key(name) },
        any(absent('pk'), equals('holder', execution)),
      );
      if (taken) return { outcome: 'held' };
      const current = await get(name);
      return { outcome: 'busy', holder: current?.holder ?? null, since: current?.since ?? null };
    },

    /** `not-held`: nothing to release; it is free or another's. */
    async release(name: string, execution: string): Promise<{ outcome: 'released' | 'not-held' }> {
      const removed = await table.remove(key(name), equals('holder', execution));
      return { outcome: removed ? 'released' : 'not-held' };
    },

    /** Every held lock, for reconcile. */
    async list(): Promise<LockRecord[]> {
      return (await table.query('LOCK')).map((item) => lockRecordSchema.parse(item));
    },
  };
}

export type Locks = ReturnType<typeof makeLocks>;
