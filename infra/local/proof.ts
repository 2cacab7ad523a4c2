import { type Connection, escapeId, type RowDataPacket } from 'mysql2/promise';
import type { WriterReport } from './writer.ts';

/** One fact that was compared, in words, with both sides. */
export type Comparison = { what: string; source: string; restored: string; equal: boolean };

/** What a server holds: a checksum for each table but those that the writer changes. */
export type ServerFacts = ReadonlyMap<string, string>;

/** Tables the writer changes; the others stand still while the target runs, so both sides can be compared as they are. */
const writtenTables = new Set(['shop.ledger']);

/** The tables of a server and their checksums, to be compared with what a restore gives; without asking holdfast. */
export async function factsOf(connection: Connection): Promise<ServerFacts> {
  const facts = new Map<string, string>();
  for (const table of await baseTables(connection)) {
    facts.set(table, writtenTables.has(table) ? 'written meanwhile' : await checksum(connection, table));
  }
  return facts;
}

/**
 * Compares a restored server with what was noted of the source: every table that stood still, and of the ledger exactly
 * the entries that the writer had committed at the restored server's position.
 */
export async function compareServers(input: {
  source: ServerFacts;
  restored: Connection;
  writer: WriterReport;
  /** GTID at which the restored server stands, `0-101-4711`. */
  position: string;
}): Promise<Comparison[]> {
  const { source, restored, writer, position } = input;
  const found = await factsOf(restored);
  const comparisons: Comparison[] = [
    compare('base tables', String(source.size), String(found.size)),
    compare('names of base tables', [...source.keys()].join('|'), [...found.keys()].join('|')),
  ];
  for (const [table, sum] of source) {
    if (writtenTables.has(table)) continue;
    comparisons.push(compare(`checksum of ${table}`, sum, found.get(table) ?? 'no such table'));
  }
  const [rows] = await restored.query<RowDataPacket[]>(
    'SELECT MIN(id) AS first, MAX(id) AS last, COUNT(*) AS n, SUM(revision) AS revisions FROM shop.ledger',
  );
  const { first, last, n, revisions } = rows[0] as RowDataPacket;
  comparisons.push(
    compare(`last ledger entry at ${position}`, String(ledgerAt(writer, position)), String(last)),
  );
  const whole = Number(n) === Number(last) - Number(first) + 1 && Number(revisions) === Number(n) - 1;
  comparisons.push(compare('ledger without holes', 'true', String(whole)));
  return comparisons;
}

/** The writer's last entry at a position, by its own notes: what was sent and never answered may be there as well. */
function ledgerAt({ history, lastGtid, uncertain }: WriterReport, position: string): number | undefined {
  const at = sequence(position);
  if (uncertain !== undefined && at > sequence(lastGtid)) return uncertain;
  return history.findLast(({ gtid }) => sequence(gtid) <= at)?.id;
}

const compare = (what: string, source: string, restored: string): Comparison => ({
  what,
  source,
  restored,
  equal: source === restored,
});

const sequence = (gtid: string): number => Number(gtid.split(',')[0]?.split('-')[2] ?? Number.NaN);

async function baseTables(connection: Connection): Promise<string[]> {
  const [rows] = await connection.query<RowDataPacket[]>(
    `SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) AS name FROM information_schema.TABLES
     WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')
     ORDER BY TABLE_SCHEMA, TABLE_NAME`,
  );
  return rows.map((row) => String(row.name));
}

/**
 * Rows and sum of CRC-32s over all columns. Not CHECKSUM TABLE: on MariaDB 10.11 it differs between two servers with
 * equal data where a table has a virtual column.
 */
async function checksum(connection: Connection, table: string): Promise<string> {
  const at = table.indexOf('.');
  const [schema, name] = [table.slice(0, at), table.slice(at + 1)];
  const [columns] = await connection.query<RowDataPacket[]>(
    'SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION',
    [schema, name],
  );
  const values = columns.map((column) => `QUOTE(CAST(${escapeId(String(column.name), true)} AS BINARY))`);
  const [rows] = await connection.query<RowDataPacket[]>(
    `SELECT CONCAT(COUNT(*), ' rows, ', COALESCE(SUM(CRC32(CONCAT_WS(',', ${values.join(', ')}))), 0)) AS sum
     FROM ${escapeId(schema, true)}.${escapeId(name, true)}`,
  );
  return String(rows[0]?.sum);
}
