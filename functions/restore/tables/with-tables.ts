import { tablesNotRead } from '../../../contract/mysql-files/tables-not-read.ts';
import type { BackupRecord } from '../../../contract/records/backup.ts';
import { type Refused, refused } from '../../log/lambda.ts';
import { type PlannedRestore, withLog } from '../plan-restore.ts';
import type { PlannedTables } from './plan-tables.ts';

/** Why no single tables are read of a backup of this kind; undefined where they are. */
export function kindRefusal({ backupId, flavour, level, chain }: BackupRecord): Refused | undefined {
  const why = tablesNotRead({ flavour, level, chain });
  if (why === undefined) return undefined;
  return refused('Restore.NotYet', `tables: backup ${backupId} is ${why}`, {
    field: 'backupId',
    value: backupId,
  });
}

/** A plan for some tables only: the check asks the member too, and the scratch instance needs less room. */
export function withTables(planned: PlannedRestore, tables: PlannedTables): PlannedRestore {
  const { check, need } = planned;
  const { member, wanted, scratchBytes, reading } = tables;
  const unpackedBytes = reading.tables.bytes + reading.ancestors.bytes + reading.fixed.bytes;
  return {
    ...planned,
    check: { ...check, order: { ...check.order, member, tables: wanted } },
    need: { ...need, ...withLog({ bytes: scratchBytes, unpackedBytes }, planned.log) },
    tables,
  };
}
