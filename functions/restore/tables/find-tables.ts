import type { TableFingerprint } from '../../../contract/formats/fingerprint.ts';
import { type TableName, tableKey, tableText } from '../../../contract/mysql-files/relations.ts';

const nearest = 3;

/** How many letters must be typed, left out or changed to make one of the other (Levenshtein). */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const above = row;
    row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(above[j]! + 1, row[j - 1]! + 1, changed));
    }
  }
  return row[b.length]!;
}

/** The names that look most like what was asked for; none where nothing does. */
function near(asked: string, names: readonly string[]): string[] {
  const small = asked.toLowerCase();
  const [, table = small] = small.split(/\.(.*)/s);
  return names
    .map((name) => {
      const known = name.toLowerCase();
      const [, own = known] = known.split(/\.(.*)/s);
      return { name, far: Math.min(distance(small, known), distance(table, own) + 1) };
    })
    .filter(({ name, far }) => far <= Math.max(2, Math.floor(Math.min(name.length, asked.length) / 3)))
    .sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
    .slice(0, nearest)
    .map(({ name }) => name);
}

export type FoundTables =
  | { outcome: 'found'; tables: TableName[] }
  | { outcome: 'unknown' | 'unfit'; field: string; value: string; why: string };

/** The tables of a backup that are called so, each once; what is not there is told with the names that are near. */
export function findTables(
  asked: readonly string[],
  known: readonly Pick<TableFingerprint, 'schema' | 'table' | 'checksum'>[],
): FoundTables {
  const found = new Map<string, TableName>();
  for (const [i, value] of asked.entries()) {
    const field = `tables[${i}]`;
    const matching = known.filter((table) => tableText(table) === value);
    const [match, other] = matching;
    if (match === undefined) {
      const names = near(value, known.map(tableText));
      const why =
        names.length > 0
          ? `is no table of the backup; there are ${names.join(', ')}`
          : `is no table of the backup, which has ${known.length}; tables are named schema.table`;
      return { outcome: 'unknown', field, value, why };
    }
    if (other !== undefined) {
      const why = `may be the table ${match.table} of ${match.schema} or ${other.table} of ${other.schema}; rename one first, or restore the whole`;
      return { outcome: 'unfit', field, value, why };
    }
    if (match.checksum === null) {
      return { outcome: 'unfit', field, value, why: 'keeps no rows in files (MEMORY, or another server)' };
    }
    found.set(tableKey(match), { schema: match.schema, table: match.table });
  }
  return { outcome: 'found', tables: [...found.values()] };
}
