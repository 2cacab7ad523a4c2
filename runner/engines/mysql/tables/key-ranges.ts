import { quoteName, type Session } from '../session.ts';

/** A column of a primary key by which a table can be cut into ranges. */
export type KeyColumn = {
  name: string;
  /** Its value as text that `literal` takes. */
  select: string;
  /** A value as SQL that compares with the column as the index is ordered. */
  literal: (value: string) => string;
};

/** A column of a primary key as information_schema describes it. */
export type KeyPart = {
  name: string;
  /** DATA_TYPE. */
  type: string;
  charset: string | null;
  /** The index holds the beginning of the value only. */
  prefix: boolean;
  descending: boolean;
};

const numbers = /^(?:(?:tiny|small|medium|big)?int|decimal|year)$/;
const quoted = /^(?:date|time|datetime|timestamp|uuid|inet[46])$/;
const charsetName = /^[a-z0-9_]+$/i;

/**
 * How the columns of a primary key are compared; undefined where ranges of it would not be exact or not be found by the
 * index (no key, prefixes, reals, ENUM and SET, which compare with their texts and are ordered by their numbers).
 */
export function keyColumns(parts: readonly KeyPart[]): KeyColumn[] | undefined {
  const columns = parts.map(({ name, type, charset, prefix, descending }): KeyColumn | undefined => {
    if (prefix || descending) return undefined;
    const column = quoteName(name);
    const checked = (pattern: RegExp, value: string) => {
      if (!pattern.test(value)) throw new Error(`${value} is no value of ${column}`);
      return value;
    };
    if (numbers.test(type)) {
      return { name, select: column, literal: (value) => checked(/^-?[0-9]+(?:\.[0-9]+)?$/, value) };
    }
    if (quoted.test(type)) {
      return { name, select: column, literal: (value) => `'${checked(/^[-0-9a-f:. ]+$/i, value)}'` };
    }
    const hex = { name, select: `HEX(${column})` };
    if (/^(?:var)?binary$/.test(type))
      return { ...hex, literal: (value) => `x'${checked(/^[0-9A-F]*$/, value)}'` };
    if (!/^(?:var)?char$/.test(type) || charset === null || !charsetName.test(charset)) return undefined;
    return { ...hex, literal: (value) => `_${charset} x'${checked(/^[0-9A-F]*$/, value)}'` };
  });
  const known = columns.filter((column) => column !== undefined);
  return known.length === 0 || known.length < parts.length ? undefined : known;
}

/** Rows at and after a point of the key's order (`>`), or before it (`<`); in a form that the index is used for. */
export function beside(key: readonly KeyColumn[], point: readonly string[], side: '>' | '<'): string {
  const [first, ...rest] = key;
  const [value = '', ...values] = point;
  if (first === undefined) throw new Error('a key has a column at least');
  const column = quoteName(first.name);
  const literal = first.literal(value);
  if (rest.length === 0) return `${column} ${side === '>' ? '>=' : '<'} ${literal}`;
  return `(${column} ${side} ${literal} OR (${column} = ${literal} AND ${beside(rest, values, side)}))`;
}

/** WHERE text of the rows from one point to before another; without a point, from the beginning or to the end. */
export function between(
  key: readonly KeyColumn[],
  from: readonly string[] | undefined,
  to: readonly string[] | undefined,
): string {
  const parts = [
    ...(from === undefined ? [] : [beside(key, from, '>')]),
    ...(to === undefined ? [] : [beside(key, to, '<')]),
  ];
  return parts.length === 0 ? '1' : parts.join(' AND ');
}

/** Of one transaction: what a replica gets at once, and what others may wait for while it is written to the log. */
const rangeBytes = 8 * 1024 * 1024;
const mostRows = 50_000;
/** A range whose large values come to more is cut again. */
const mostLargeBytes = 2 * rangeBytes;
const seconds = 3600;

export type Keyed = {
  /** FROM text of the table, that nobody writes to. */
  from: string;
  key: readonly KeyColumn[];
  /** Bytes of a row on average. */
  rowBytes: number;
  /** Columns whose values may be of any size. */
  large: readonly string[];
};

/** WHERE texts of ranges that together hold every row once, in the key's order; each about 8 MiB. */
export async function* keyRanges(
  session: Session,
  table: Keyed,
): AsyncGenerator<{ where: string; rows: number }> {
  const { key, large } = table;
  const from = `${table.from} FORCE INDEX (PRIMARY)`;
  const order = key.map(({ name }) => quoteName(name)).join(',');
  const texts = key.map(({ select }, i) => `${select} AS k${i}`).join(',');
  const pointAfter = async (start: string[] | undefined, rows: number): Promise<string[] | undefined> => {
    const [row] = await session.rows(
      `SELECT ${texts} FROM ${from} WHERE ${between(key, start, undefined)} ORDER BY ${order} LIMIT ${rows},1`,
      [],
      seconds,
    );
    return row && key.map((_, i) => row[`k${i}`] ?? '');
  };
  const largeBytes = async (where: string): Promise<number> => {
    if (large.length === 0) return 0;
    const sum = large.map((name) => `IFNULL(OCTET_LENGTH(${quoteName(name)}),0)`).join('+');
    const [row] = await session.rows(`SELECT SUM(${sum}) AS n FROM ${from} WHERE ${where}`, [], seconds);
    return Number(row?.n ?? 0);
  };
  const usual = Math.max(1, Math.min(mostRows, Math.floor(rangeBytes / Math.max(1, table.rowBytes))));
  let start: string[] | undefined;
  for (;;) {
    let rows = usual;
    let end = await pointAfter(start, rows);
    while (rows > 1 && (await largeBytes(between(key, start, end))) > mostLargeBytes) {
      rows = Math.max(1, Math.floor(rows / 4));
      end = await pointAfter(start, rows);
    }
    yield { where: between(key, start, end), rows };
    if (end === undefined) return;
    start = end;
  }
}
