import type { Fingerprint } from '../../../../contract/formats/fingerprint.ts';

/**
 * What differs between two readings of what should be the same data; empty when they are equal. Tables without a
 * checksum are compared by their being there only.
 * @param rows false where the readings stand at different positions: definitions and accounts only
 */
export function differences(expected: Fingerprint, found: Fingerprint, rows = true): string[] {
  const reasons: string[] = [];
  if (expected.schemaSha256 !== found.schemaSha256) reasons.push('the definitions of the schemas differ');
  if (expected.accountsSha256 !== found.accountsSha256) reasons.push('accounts or grants differ');
  const nameOf = (t: { schema: string; table: string }) => JSON.stringify([t.schema, t.table]);
  const left = new Map(found.tables.map((table) => [nameOf(table), table]));
  for (const table of expected.tables) {
    const name = `\`${table.schema}\`.\`${table.table}\``;
    const other = left.get(nameOf(table));
    left.delete(nameOf(table));
    if (other === undefined) reasons.push(`${name} is missing`);
    else if (!rows || table.checksum === null) continue;
    else if (other.rows !== table.rows)
      reasons.push(`${name} has ${other.rows} rows, expected ${table.rows}`);
    else if (other.checksum !== table.checksum) reasons.push(`the rows of ${name} differ`);
  }
  for (const table of left.values()) reasons.push(`\`${table.schema}\`.\`${table.table}\` was not backed up`);
  return reasons;
}
