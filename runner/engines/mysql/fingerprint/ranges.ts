import { createHash } from 'node:crypto';
import { quoteName, type Session } from '../session.ts';
import type { UserTable } from './user-tables.ts';

/** Up to this much data in all, every row is read; beyond it, pieces of each table. */
export const fullCoverageBytes = 1024 ** 3;
/** Tables this small are read whole in any case: looking for ranges would cost as much. */
const smallBytes = 8 * 1024 * 1024;
const leastBytes = 64 * 1024;
const rangesPerTable = 4;

/**
 * A piece of a table. Where the key begins with an integer: its values `from`…`to`, both inside, or (`to` is `+n`) the
 * n rows from `from` on in the key's order. Else the `to` first or last rows (`from` says `first` or `last`) of that
 * order, or of the order in which they are stored where there is no key.
 */
export type Range = { from: string; to: string };

const integer = /^(tiny|small|medium|big)?int$/;

/** Rows of each range, so that all ranges of all large tables together read about 1 GiB. */
export function rowsPerRange(rowBytes: number, largeTables: number): number {
  const share = fullCoverageBytes / Math.max(1, largeTables) / rangesPerTable;
  return Math.max(100, Math.min(100_000, Math.floor(share / Math.max(64, rowBytes))));
}

/** Whether a table of so many is read whole: all that are must not come to much more than 1 GiB. */
export const isSmall = (table: UserTable, tables: number) =>
  table.bytes <= Math.max(leastBytes, Math.min(smallBytes, fullCoverageBytes / tables));

/** A point between `min` and `max` that the seed, the table and `n` decide. */
export function seededPoint(seed: string, table: string, n: number, min: bigint, max: bigint): bigint {
  const hash = createHash('sha256').update(`${seed}\0${table}\0${n}`).digest();
  return min + (hash.readBigUInt64BE(0) % (max - min + 1n));
}

const fromTable = (table: UserTable) => `${quoteName(table.schema)}.${quoteName(table.table)}`;

/** Chooses the ranges of one large table. */
export async function chooseRanges(
  session: Session,
  table: UserTable,
  seed: string,
  rows: number,
): Promise<Range[]> {
  const first = table.key[0];
  if (first === undefined) return [{ from: 'first', to: String(rows) }];
  const type = table.columns.find((column) => column.name === first)?.type ?? '';
  if (!integer.test(type)) {
    return [
      { from: 'first', to: String(rows) },
      { from: 'last', to: String(rows) },
    ];
  }
  const key = quoteName(first);
  const [ends] = await session.rows(`SELECT MIN(${key}) AS a, MAX(${key}) AS z FROM ${fromTable(table)}`);
  if (ends?.a == null || ends.z == null) return [];
  const ranges: Range[] = [];
  for (let n = 0; n < rangesPerTable; n++) {
    const start = seededPoint(seed, `${table.schema}\0${table.table}`, n, BigInt(ends.a), BigInt(ends.z));
    // Values of the first of several columns may stand for any number of rows.
    if (table.key.length > 1) {
      ranges.push({ from: String(start), to: `+${rows}` });
      continue;
    }
    // The row after the last of the piece; none means that the piece reaches the end of the table.
    const [beyond] = await session.rows(
      `SELECT ${key} AS k FROM ${fromTable(table)} WHERE ${key} >= ${start} ORDER BY ${key} LIMIT ${rows},1`,
      [],
      300,
    );
    ranges.push({ from: String(start), to: beyond?.k ?? ends.z });
  }
  return ranges;
}

/** What comes after FROM to read one range of a table. `all` is the table's own FROM text. */
export function rangeSource(table: UserTable, range: Range, all: string): string {
  const key = table.key.map(quoteName);
  const from = range.from === 'first' || range.from === 'last' ? undefined : BigInt(range.from);
  if (from === undefined || range.to.startsWith('+')) {
    // Named one by one, because * leaves invisible columns out.
    const columns = table.columns.map((column) => quoteName(column.name)).join(',');
    const order = key.map((column) => (range.from === 'last' ? `${column} DESC` : column)).join(',');
    const source = key.length === 0 ? `${all} USE INDEX ()` : `${all} FORCE INDEX (PRIMARY)`;
    const where = from === undefined ? '' : ` WHERE ${key[0]} >= ${from}`;
    const by = order === '' ? '' : ` ORDER BY ${order}`;
    return `(SELECT ${columns} FROM ${source}${where}${by} LIMIT ${BigInt(range.to.replace('+', ''))}) AS piece`;
  }
  return `${all} WHERE ${key[0]} BETWEEN ${from} AND ${BigInt(range.to)}`;
}
