import { NamedError } from '../../../../contract/errors/named-error.ts';
import { type TableName, tableText } from '../../../../contract/mysql-files/relations.ts';
import type { UserTable } from '../fingerprint/user-tables.ts';
import { quoteName, type Session } from '../session.ts';
import type { KeyPart } from './key-ranges.ts';
import type { CopiedColumn } from './row-text.ts';
import { inSql } from './working-tables.ts';

/** A table of the scratch instance, and all that is needed to have one like it. */
export type TableDefinition = {
  source: UserTable;
  /** FROM text of all its rows, also those of the past. */
  from: string;
  /** CREATE TABLE under another name, without foreign keys. */
  createAs: (table: TableName) => string;
  /** Columns that take values. */
  columns: CopiedColumn[];
  keyParts: KeyPart[];
  /** Next value of its counter; null where it has none. */
  counter: string | null;
  /** Why its tablespace cannot be imported; undefined where it can. */
  notImported: string | undefined;
  notes: string[];
};

const rowPeriod = /^ROW (?:START|END)$/i;

/** What of a table is in the dictionary only: options, keys, generated columns. */
export async function readDefinition(
  session: Session,
  source: UserTable,
  working: TableName,
): Promise<TableDefinition> {
  const { schema, table } = source;
  if (source.kind === 'sequence') {
    throw new NamedError(
      'Restore.TableUnfit',
      `tables: ${tableText(source)} is a sequence; read its value in the scratch of a whole restore, or set it with SETVAL`,
      { table: tableText(source) },
    );
  }
  // What MySQL keeps of counters and sizes may be a day old.
  if (session.words.family === 'mysql') await session.run('SET SESSION information_schema_stats_expiry=0');
  const [facts] = await session.rows(
    `SELECT ROW_FORMAT AS format, CREATE_OPTIONS AS options, AUTO_INCREMENT AS counter
     FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?`,
    [schema, table],
  );
  // Its definition without foreign keys: under their names there are the live table's.
  await session.run(`CREATE TABLE ${inSql(working)} LIKE ${inSql(source)}`);
  const plainFormat = /^(?:Dynamic|Compact|Redundant)$/i.test(facts?.format ?? '');
  if (source.engine === 'InnoDB' && plainFormat && !/row_format/i.test(facts?.options ?? '')) {
    // Named, because the default of the live server may be another.
    await session.run(`ALTER TABLE ${inSql(working)} ROW_FORMAT=${facts?.format}`);
  }
  const [made] = await session.rows(`SHOW CREATE TABLE ${inSql(working)}`);
  const [, text = ''] = Object.values(made ?? {});
  const named = `CREATE TABLE ${quoteName(working.table)}`;
  if (!text?.startsWith(named)) throw new Error(`${inSql(source)} is defined by ${text?.slice(0, 80)}`);
  // MySQL names checks after the table, and no two of a schema may have one name.
  const ownCheck = /(?<=CONSTRAINT `)holdfast_[0-9a-z_]+(?=_chk_\d+`)/g;
  const createAs = (table: TableName) =>
    `CREATE TABLE ${inSql(table)}${text.slice(named.length).replaceAll(ownCheck, table.table)}`;
  await session.run(`DROP TABLE ${inSql(working)}`);

  const described = await session.rows(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type, GENERATION_EXPRESSION AS expression
     FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
    [schema, table],
  );
  const period = described.filter((column) => rowPeriod.test(column.expression ?? ''));
  const columns = described
    .filter((column) => !column.expression || rowPeriod.test(column.expression))
    .map((column) => ({ name: column.name ?? '', type: (column.type ?? '').toLowerCase() }));
  if (source.kind === 'versioned' && period.length === 0) {
    for (const name of ['row_start', 'row_end']) columns.push({ name, type: 'timestamp' });
  }
  if (period.some((column) => /bigint/i.test(column.type ?? ''))) {
    throw new NamedError(
      'Restore.TableUnfit',
      `tables: ${tableText(source)} keeps its history by transaction numbers, which mean nothing to another server`,
      { table: tableText(source) },
    );
  }
  const keys = await session.rows(
    `SELECT CONSTRAINT_NAME AS name FROM information_schema.TABLE_CONSTRAINTS
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_TYPE = 'FOREIGN KEY' ORDER BY 1`,
    [schema, table],
  );
  const [fullText] = await session.rows(
    `SELECT 1 AS one FROM information_schema.STATISTICS
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_TYPE = 'FULLTEXT' LIMIT 1`,
    [schema, table],
  );
  return {
    source,
    from: source.kind === 'versioned' ? `${inSql(source)} FOR SYSTEM_TIME ALL` : inSql(source),
    createAs,
    columns,
    keyParts: await readKeyParts(session, source),
    counter: facts?.counter ?? null,
    notImported: whyNotImported(source, facts?.options ?? '', fullText !== undefined),
    notes: keys.map(({ name }) => `without its foreign key ${name}`),
  };
}

async function readKeyParts(session: Session, { schema, table }: TableName): Promise<KeyPart[]> {
  const rows = await session.rows(
    `SELECT c.COLUMN_NAME AS name, c.DATA_TYPE AS type, c.CHARACTER_SET_NAME AS charset,
       s.SUB_PART AS prefix, s.COLLATION AS direction
     FROM information_schema.STATISTICS s JOIN information_schema.COLUMNS c USING (TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME)
     WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME = ? AND s.INDEX_NAME = 'PRIMARY' ORDER BY s.SEQ_IN_INDEX`,
    [schema, table],
  );
  return rows.map(({ name, type, charset, prefix, direction }) => ({
    name: name ?? '',
    type: (type ?? '').toLowerCase(),
    charset: charset ?? null,
    prefix: prefix !== null,
    descending: direction !== 'A',
  }));
}

function whyNotImported(source: UserTable, options: string, fullText: boolean): string | undefined {
  if (source.engine !== 'InnoDB') return `it is a table of ${source.engine}`;
  if (/partitioned/i.test(options)) return 'it has partitions';
  if (fullText) return 'a FULLTEXT index does not come along with a tablespace';
  if (source.kind === 'versioned') return 'it is system-versioned';
  return undefined;
}
