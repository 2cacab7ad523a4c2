import type { Session } from '../session.ts';
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
  /** Estimates of the server, for choosing how much to read. */
  bytes: number;
  rowBytes: number;
};

/** Engines whose tables show what a snapshot saw. Others change under a reader. */
export const isTransactional = (table: UserTable) =>
  table.kind !== 'sequence' && (table.engine === 'InnoDB' || table.engine === 'ROCKSDB');

/**
 * Engines whose rows cannot be compared after a restore: empty after a start, or not stored in this server's files.
 */
export const isComparable = (table: UserTable) =>
  ['InnoDB', 'Aria', 'MyISAM', 'CSV', 'ARCHIVE', 'ROCKSDB'].includes(table.engine);

/** All tables of the users' schemas with their columns (also invisible and generated ones) and primary keys. */
export async function readUserTables(session: Session): Promise<UserTable[]> {
  const found = new Map<string, UserTable>();
  const keyOf = (schema: string, table: string) => JSON.stringify([schema, table]);
  const tables = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine,
       COALESCE(DATA_LENGTH, 0) AS bytes, COALESCE(AVG_ROW_LENGTH, 0) AS row_bytes
     FROM information_schema.TABLES
     WHERE TABLE_SCHEMA NOT IN ${systemSchemas} AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE')
     ORDER BY TABLE_SCHEMA, TABLE_NAME`,
    [],
    300,
  );
  for (const row of tables) {
    const schema = row.db ?? '';
    const table = row.name ?? '';
    found.set(keyOf(schema, table), {
      schema,
      table,
      kind: row.type === 'SEQUENCE' ? 'sequence' : row.type === 'SYSTEM VERSIONED' ? 'versioned' : 'table',
      engine: row.engine ?? '',
      columns: [],
      key: [],
      bytes: Number(row.bytes ?? 0),
      rowBytes: Number(row.row_bytes ?? 0),
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
  return [...found.values()];
}
