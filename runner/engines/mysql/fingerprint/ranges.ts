import { createHash } from 'node:crypto';
import { quoteName, type Session } from '../session.ts';
import type { UserTable } from './user-tables.ts';

/** Up to this much data in all, every row is read; beyond it, pieces of each table. */
export const fullCoverageBytes = 1024 ** 3;
/** Tables this small are read whole in any case: looking for ranges would cost as much. */
const smallBytes = 8 * 1024 * 1024;
const rangesPerTable = 4;

/**
 * A piece of a table: primary-key values `from`…`to`, both inside, where the key begins with an integer; else the
 * `to` first or last rows of the key's order (`from` says `first` or `last`).
 */
export type Range = { from: string; to: string };

const integer = /^(tiny|small|medium|big)?int$/;

/** Rows of each range, so that all ranges of all large tables together read about 1 GiB. */
export function rowsPerRange(table: UserTable, largeTables: number): number {
  const share = fullCoverageBytes / Math.max(1, largeTables) / rangesPerTable;
  return Math.max(100, Math.min(100_000, Math.floor(share / Math.max(64, table.rowBytes))));
}

export const isSmall = (table: UserTable) => table.bytes <= smallBytes;

/** A point between `min` and `max` that the seed, the table and `n` decide. */
export function seededPoint(seed: string, table: string, n: number, min: bigint, max: bigint): bigint {
  const hash = createHash('sha256').update(`${seed}\0${table}\0${n}`).digest();
  return min + (hash.readBigUInt64BE(0) % (max - min + 1n));
}

const fromTable = (table: UserTable) => `${quoteName(table.schema)}.${quoteName(table.table)}`;

/** Chooses the ranges of one large table; undefined where it has no primary key to choose by. */
export async function chooseRanges(
  session: Session,
  table: UserTable,
  seed: string,
  rows: number,
): Promise<Range[] | undefined> {
  const first = table.key[0];
  if (first === undefined) return undefined;
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
  if (range.from === 'first' || range.from === 'last') {
    const order = key.map((column) => (range.from === 'first' ? column : `${column} DESC`)).join(',');
    // Named one by one, because * leaves invisible columns out.
    const columns = table.columns.map((column) => quoteName(column.name)).join(',');
    return `(SELECT ${columns} FROM ${all} ORDER BY ${order} LIMIT ${BigInt(range.to)}) AS piece`;
  }
  return `${all} WHERE ${key[0]} BETWEEN ${BigInt(range.from)} AND ${BigInt(range.to)}`;
}
