import type { Session } from './session.ts';
import { decodeFilename } from './xbstream/filename.ts';

export type TableName = { db: string; table: string };

/** Engines whose tables have data files of their own in the data directory. */
const engines = "('InnoDB','Aria','MyISAM','CSV','ARCHIVE')";

/** Tables that must have a data file in a backup: all of this server but those within the system tablespace. */
export async function readTableNames(session: Session): Promise<TableName[]> {
  const shared = new Set<string>();
  const inSystemSpace = await session.rows(
    'SELECT NAME AS name FROM information_schema.INNODB_SYS_TABLES WHERE SPACE = 0',
  );
  for (const { name } of inSystemSpace) {
    const [db = '', table = ''] = (name ?? '').split('/');
    shared.add(JSON.stringify([decodeFilename(db), decodeFilename(table.split(/#p#/i)[0] ?? '')]));
  }
  const tables = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.TABLES
     WHERE TABLE_SCHEMA NOT IN ('information_schema','performance_schema') AND ENGINE IN ${engines}
     AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE')`,
    [],
    300,
  );
  return tables
    .map((row) => ({ db: row.db ?? '', table: row.name ?? '' }))
    .filter(({ db, table }) => !shared.has(JSON.stringify([db, table])));
}

/** Tables in both lists: those that were there from the start of a backup to its end (F10). */
export function inBoth(before: readonly TableName[], after: readonly TableName[]): TableName[] {
  const names = new Set(after.map(({ db, table }) => JSON.stringify([db, table])));
  return before.filter(({ db, table }) => names.has(JSON.stringify([db, table])));
}
