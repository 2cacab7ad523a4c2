import { readStored } from '../../contract/formats/codec.ts';
import type { Receipt } from '../../contract/formats/receipt.ts';
import { type BackupRecord, backupRecordSchema } from '../../contract/records/backup.ts';
import { absent, all, any, atMost, below, equals, oneOf } from './condition.ts';
import { rankOf } from './fold.ts';
import { makeTable, putWrite, type TableDeps, type Write } from './table.ts';

const key = (clusterId: string, backupId: string) => ({
  pk: `CLUSTER#${clusterId}`,
  sk: `BACKUP#${backupId}`,
});

/** For the transaction that orders a backup: its record appears as running, once. */
export const backupRunningWrite = (table: string, record: BackupRecord): Write =>
  putWrite(table, { ...record, ...key(record.clusterId, record.backupId) }, absent('pk'));

/**
 * Backups. With receipts, the record is the newest receipt's (`apply`, in any order, the same result); without,
 * it is what the machine noted (`running`, `failed`, `lost`).
 */
export function makeBackups(deps: TableDeps) {
  const table = makeTable(deps);

  async function get(clusterId: string, backupId: string): Promise<BackupRecord | undefined> {
    const item = await table.get(key(clusterId, backupId));
    return item && readStored(backupRecordSchema, 'backup record', item);
  }

  return {
    get,

    /** All backups of a cluster, latest start first. */
    async list(clusterId: string): Promise<BackupRecord[]> {
      const items = await table.query(`CLUSTER#${clusterId}`, { prefix: 'BACKUP#' });
      return items
        .map((item) => readStored(backupRecordSchema, 'backup record', item))
        .sort((a, b) => (a.startedAt < b.startedAt ? 1 : a.startedAt > b.startedAt ? -1 : 0));
    },

    /** Folds a receipt in; false when the catalog already stands at a newer fact. */
    apply: (receipt: Receipt): Promise<boolean> => {
      const rank = rankOf(receipt.fact);
      return table.put(
        {
          ...receipt.backup,
          ...key(receipt.clusterId, receipt.backupId),
          factAt: receipt.at,
          factRank: rank,
        },
        any(
          absent('factAt'),
          below('factAt', receipt.at),
          all(equals('factAt', receipt.at), atMost('factRank', rank)),
        ),
      );
    },

    /** Notes that a running backup ended without a manifest; `left` when it is not running (or was never ordered). */
    async end(
      clusterId: string,
      backupId: string,
      state: 'failed' | 'lost',
      error: { name: string; cause: string },
    ): Promise<{ outcome: 'ended' | 'left' }> {
      const after = await table.update(
        key(clusterId, backupId),
        { set: { state, error } },
        all(equals('state', 'running'), absent('factAt')),
      );
      return { outcome: after === undefined ? 'left' : 'ended' };
    },

    /** Notes that nothing is stored any more of an attempt that left no manifest; false where it has one after all. */
    async cleared(clusterId: string, backupId: string, at: string): Promise<boolean> {
      const after = await table.update(
        key(clusterId, backupId),
        { set: { clearedAt: at } },
        all(oneOf('state', ['failed', 'lost']), absent('factAt')),
      );
      return after !== undefined;
    },
  };
}

export type Backups = ReturnType<typeof makeBackups>;
