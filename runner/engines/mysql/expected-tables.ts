import { decodeFilename } from '../../../contract/mysql-files/filename.ts';
import { tableFile } from '../../../contract/mysql-files/table-file.ts';
import type { Session } from './session.ts';
import { isWorkingName } from './working-names.ts';
import type { XbstreamState } from './xbstream/state.ts';

export type TableName = { db: string; table: string };

/** Engines whose tables have data files of their own in the data directory. */
const engines = "('InnoDB','Aria','MyISAM','CSV','ARCHIVE')";

/** Tables that must have a data file in a backup: all of this server but those within a shared tablespace. */
export async function readTableNames(session: Session): Promise<TableName[]> {
  const { family, tables: words } = session.words;
  // MySQL's own tables lie in mysql.ibd, and its list of tables leaves some of them out.
  const list = family === 'mysql' ? words.withOwnFile : words.withoutOwnFile;
  const listed = new Set<string>();
  for (const { name } of await session.rows(list, [], 300)) {
    const [db = '', table = ''] = (name ?? '').split('/');
    listed.add(JSON.stringify([decodeFilename(db), decodeFilename(table.split(/#p#/i)[0] ?? '')]));
  }
  const tables = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES
     WHERE TABLE_SCHEMA NOT IN ('information_schema','performance_schema') AND ENGINE IN ${engines}
     AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE')`,
    [],
    300,
  );
  return tables
    .filter(({ db, name, engine }) => {
      if (isWorkingName(name ?? '')) return false;
      const has = listed.has(JSON.stringify([db, name]));
      return family === 'mysql' ? engine !== 'InnoDB' || has : !has;
    })
    .map((row) => ({ db: row.db ?? '', table: row.name ?? '' }));
}

const keyOf = ({ db, table }: TableName) => JSON.stringify([db, table]);

/**
 * Tables that the backup must hold (F10): of those that are there after it, the ones that were there before it too, and
 * those that the stream itself names by a definition or by a file that went with its directory.
 */
export function mustHold(
  before: readonly TableName[],
  after: readonly TableName[],
  { files, goneWithDirectory }: Pick<XbstreamState, 'files' | 'goneWithDirectory'>,
): TableName[] {
  const names = new Set(before.map(keyOf));
  for (const path of [...files.keys(), ...goneWithDirectory]) {
    const file = tableFile(path);
    if (file !== undefined && (file.extension === 'frm' || goneWithDirectory.has(path)))
      names.add(keyOf(file));
  }
  return after.filter((table) => names.has(keyOf(table)));
}
