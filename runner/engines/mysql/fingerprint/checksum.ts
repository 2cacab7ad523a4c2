import { quoteName } from '../session.ts';

/** A column as information_schema has it; `type` is DATA_TYPE (`int`, `longblob`, …). */
export type Column = { name: string; type: string };

/** Values of these types can be larger than what one string expression may hold, so they go in by their hash. */
const large = /blob|text|json|geometry|point|linestring|polygon|multi|vector/;

/**
 * One row as one byte string that no other row has: each value is its length and its bytes, NULL is `N` (which no
 * length begins with), in the order of the columns. Bytes are those of the column's own character set.
 */
export function rowExpression(columns: readonly Column[]): string {
  const parts = columns.map(({ name, type }) => {
    const column = quoteName(name);
    const bytes = `CAST(${column} AS BINARY)`;
    // Of the column itself: a CAST of more than max_allowed_packet is NULL, and one such value would be as good as any.
    const value = large.test(type)
      ? `CONCAT('L',OCTET_LENGTH(${column}),':',SHA2(${column},256))`
      : `CONCAT(OCTET_LENGTH(${bytes}),':',${bytes})`;
    return `IFNULL(CAST(${value} AS BINARY),'N')`;
  });
  return parts.length === 0 ? "''" : `CONCAT(${parts.join(',')})`;
}

/**
 * SELECT of `n`, of `c` rows that could be put together, the sum of CRC32 and the xor of 64 bits of SHA-256 over all rows of `from`. Neither depends on the
 * rows' order; the sum finds what an xor alone misses (a row that is there twice).
 */
export function checksumQuery(columns: readonly Column[], from: string): string {
  return `SELECT COUNT(*) AS n, COUNT(r) AS c, SUM(CRC32(r)) AS s,
    BIT_XOR(CAST(CONV(LEFT(SHA2(r,256),16),16,10) AS UNSIGNED)) AS x
    FROM (SELECT ${rowExpression(columns)} AS r FROM ${from}) AS rows_of_table`;
}

/** The two sums as the fingerprint keeps them. */
export const checksumText = (sum: string | null, xor: string | null) => `${sum ?? '0'}:${xor ?? '0'}`;
