import { createHash } from 'node:crypto';

/** MySQL's and MariaDB's limit of a name. */
const longest = 64;

/**
 * `orders_restored_20261123_010741`: the table as it was at an instant (UTC). Digits and small letters only, since a
 * server may fold case. Of a name that would become too long the end is cut, and eight digits of its checksum tell it
 * from others with the same beginning.
 */
export function nameBeside(table: string, at: string): string {
  const suffix = `_restored_${at.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '_')}`;
  if (table.length + suffix.length <= longest) return table + suffix;
  const sum = createHash('sha256').update(table).digest('hex').slice(0, 8);
  // By characters: a cut within one would be no name.
  let kept = '';
  for (const letter of table) {
    if (kept.length + letter.length + 1 + sum.length + suffix.length > longest) break;
    kept += letter;
  }
  return `${kept}_${sum}${suffix}`;
}
