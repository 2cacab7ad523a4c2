import { type TableName, tableKey } from '../../../../contract/mysql-files/relations.ts';
import { tableFile } from '../../../../contract/mysql-files/table-file.ts';
import { quoteName, type Session } from '../session.ts';
import { isWorkingName } from '../working-names.ts';
import type { Column } from './checksum.ts';
import { systemSchemas } from './definitions.ts';

export type UserTable = {
  schema: string;
  table: string;
  kind: 'table' | 'versioned' | 'sequence';
  engine: string;
  columns: Column[];
  /** Columns of the primary key, in its order. */
  key: string[];
  /** Size of its files, for choosing how much to read. */
  bytes: number;
};

/** Engines whose tables show what a snapshot saw. Others change under a reader. */
export const isTransactional = (table: UserTable) =>
  table.kind !== 'sequence' && (table.engine === 'InnoDB' || table.engine === 'ROCKSDB');

/**
 * Engines whose rows cannot be compared after a restore: empty after a start, or not stored in this server's files.
 */
export const isComparable = (table: UserTable) =>
  ['InnoDB', 'Aria', 'MyISAM', 'CSV', 'ARCHIVE', 'ROCKSDB'].includes(table.engine);

/**
 * Fills in the sizes: of tablespaces from InnoDB's own list, which opens no table; the rest one by one, because a
 * question for all would open remote tables too.
 */
async function readSizes(session: Session, tables: readonly UserTable[]): Promise<void> {
  const spaces = new Map<string, number>();
  for (const { path, bytes } of await session.rows(session.words.tables.sizes, [], 300)) {
    const file = tableFile((path ?? '').replace(/^\.\//, ''));
    if (file === undefined) continue;
    const key = JSON.stringify([file.db, file.table]);
    spaces.set(key, (spaces.get(key) ?? 0) + Number(bytes ?? 0));
  }
  for (const table of tables) {
    const known = spaces.get(JSON.stringify([table.schema, table.table]));
    if (known !== undefined) table.bytes = known;
    else if (isComparable(table)) table.bytes = (await readLengths(session, table)).bytes;
  }
}

/** What the server estimates of one table's size and rows, in bytes. */
export async function readLengths(
  session: Session,
  { schema, table }: Pick<UserTable, 'schema' | 'table'>,
): Promise<{ bytes: number; rowBytes: number }> {
  const [row] = await session.rows(
    `SELECT COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(AVG_ROW_LENGTH, 0) AS row_bytes
     FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`,
    [schema, table],
  );
  return { bytes: Number(row?.bytes ?? 0), rowBytes: Number(row?.row_bytes ?? 0) };
}

/** The FROM text of a table; `SELECT 1 … LIMIT 0` of it opens and so holds it. */
export const nameInSql = ({ schema, table }: Pick<UserTable, 'schema' | 'table'>) =>
  `${quoteName(schema)}.${quoteName(table)}`;

/**
 * All tables of the users' schemas with their columns (also invisible and generated ones) and primary keys.
 * @param only none but these, where the files of others are not there
 */
export async function readUserTables(session: Session, only?: readonly TableName[]): Promise<UserTable[]> {
  const found = new Map<string, UserTable>();
  const asked = only && new Set(only.map(tableKey));
  const keyOf = (schema: string, table: string) => JSON.stringify([schema, table]);
  const tables = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine
     FROM information_schema.TABLES
     WHERE TABLE_SCHEMA NOT IN ${systemSchemas} AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE')
     ORDER BY TABLE_SCHEMA, TABLE_NAME`,
    [],
    300,
  );
  for (const row of tables) {
    const schema = row.db ?? '';
    const table = row.name ?? '';
    if (isWorkingName(table)) continue;
    if (asked !== undefined && !asked.has(tableKey({ schema, table }))) continue;
    found.set(keyOf(schema, table), {
      schema,
      table,
      kind: row.type === 'SEQUENCE' ? 'sequence' : row.type === 'SYSTEM VERSIONED' ? 'versioned' : 'table',
      engine: row.engine ?? '',
      columns: [],
      key: [],
      bytes: 0,
    });
  }
  const columns = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, COLUMN_NAME AS col, DATA_TYPE AS type
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA NOT IN ${systemSchemas}
     ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION`,
    [],
    300,
  );
  for (const row of columns) {
    found
      .get(keyOf(row.db ?? '', row.name ?? ''))
      ?.columns.push({ name: row.col ?? '', type: (row.type ?? '').toLowerCase() });
  }
  const keys = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, COLUMN_NAME AS col FROM information_schema.STATISTICS
     WHERE INDEX_NAME = 'PRIMARY' AND TABLE_SCHEMA NOT IN ${systemSchemas}
     ORDER BY TABLE_SCHEMA, TABLE_NAME, SEQ_IN_INDEX`,
    [],
    300,
  );
  for (const row of keys) found.get(keyOf(row.db ?? '', row.name ?? ''))?.key.push(row.col ?? '');
  const all = [...found.values()];
  await readSizes(session, all);
  return all;
}
