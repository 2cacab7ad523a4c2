import type { Fingerprint, TableFingerprint } from '../../contract/formats/fingerprint.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';

export type Comparison = {
  comparison: Manifest['comparison'];
  /** What differs, a sentence each, worst first; empty when the restored data is what was backed up. */
  differences: string[];
  tables: number;
  rows: number;
};

/**
 * Under `bounded`, a table that changed during the backup may hold anything that it held meanwhile. One that had
 * this many rows before and after and is empty now was not restored (F74); fewer may be a queue that ran dry.
 */
const neverEmpty = 1000;

/**
 * Compares a restored instance with the manifest. Where fingerprint and backup stand at one position everything is
 * exact. Where they do not, what had not changed between the readings before and after the backup is exact still
 * (definitions, accounts, each table); what had changed is only bounded.
 */
export function compareFingerprints(
  manifest: Pick<Manifest, 'comparison' | 'fingerprint' | 'fingerprintBefore'>,
  restored: Fingerprint,
): Comparison {
  const { comparison, fingerprint: after } = manifest;
  const before = comparison === 'bounded' ? manifest.fingerprintBefore : undefined;
  const stood = (field: 'schemaSha256' | 'accountsSha256') =>
    before === undefined || before[field] === after[field];
  const differences: string[] = [];
  if (stood('schemaSha256') && after.schemaSha256 !== restored.schemaSha256) {
    differences.push('definitions of tables, views, routines, triggers or events differ');
  }
  if (stood('accountsSha256') && after.accountsSha256 !== restored.accountsSha256) {
    differences.push('accounts or grants differ');
  }
  if (after.seed !== restored.seed || after.coverage !== restored.coverage) {
    differences.push('the restored data was read with another seed or coverage, so it proves nothing');
  }
  const found = new Map(restored.tables.map((table) => [nameOf(table), table]));
  const earlier = new Map(before?.tables.map((table) => [nameOf(table), table]));
  for (const expected of after.tables) {
    const name = nameOf(expected);
    const then = earlier.get(name);
    const actual = found.get(name);
    found.delete(name);
    if (!actual) {
      // It may have been created while the backup ran.
      if (stood('schemaSha256') || then !== undefined) differences.push(`${name} is missing`);
      continue;
    }
    const moved = comparison === 'bounded' && changed(then, expected);
    const difference = moved ? boundedDifference(then, expected, actual) : exactDifference(expected, actual);
    if (difference !== undefined) differences.push(`${name}: ${difference}`);
  }
  // What is left may have been dropped while the backup ran.
  if (stood('schemaSha256')) {
    for (const name of found.keys()) differences.push(`${name} was not in the backup`);
  }
  return {
    comparison,
    differences,
    tables: restored.tables.length,
    rows: restored.tables.reduce((sum, table) => sum + table.rows, 0),
  };
}

/**
 * Compares some tables only: each exactly where fingerprint and backup stand at one position or it had not changed
 * while the backup ran, otherwise within bounds.
 */
export function compareTables(
  manifest: Pick<Manifest, 'comparison' | 'fingerprint' | 'fingerprintBefore'>,
  restored: readonly TableFingerprint[],
): Pick<Comparison, 'comparison' | 'differences'> {
  const exact = manifest.comparison === 'exact';
  const expected = new Map(manifest.fingerprint.tables.map((table) => [nameOf(table), table]));
  const earlier = new Map(manifest.fingerprintBefore?.tables.map((table) => [nameOf(table), table]));
  const differences: string[] = [];
  let comparison: Comparison['comparison'] = 'exact';
  for (const actual of restored) {
    const name = nameOf(actual);
    const then = earlier.get(name);
    const after = expected.get(name);
    if (after === undefined) {
      differences.push(`${name} was not in the backup`);
      continue;
    }
    const moved = !exact && changed(then, after);
    if (moved) comparison = 'bounded';
    const difference = moved ? boundedDifference(then, after, actual) : exactDifference(after, actual);
    if (difference !== undefined) differences.push(`${name}: ${difference}`);
  }
  return { comparison, differences };
}

/** Whether two readings of one server (with one seed) found the same definitions, accounts and rows. */
export function sameData(a: Fingerprint, b: Fingerprint): boolean {
  const facts = ({ schemaSha256, accountsSha256, seed, coverage, tables }: Fingerprint) =>
    JSON.stringify([schemaSha256, accountsSha256, seed, coverage, tables]);
  return facts(a) === facts(b);
}

const nameOf = (table: TableFingerprint): string => `${table.schema}.${table.table}`;

/** Without a reading before, nothing says that a table stood still. */
const changed = (before: TableFingerprint | undefined, after: TableFingerprint): boolean =>
  before === undefined || before.rows !== after.rows || before.checksum !== after.checksum;

function exactDifference(expected: TableFingerprint, actual: TableFingerprint): string | undefined {
  // Without a checksum the data does not outlive its server (MEMORY tables), so its rows say nothing either.
  if (expected.checksum === null) return undefined;
  if (expected.rows !== actual.rows) return `${actual.rows} rows in place of ${expected.rows}`;
  if (expected.checksum !== actual.checksum) return `other contents in its ${expected.rows} rows`;
  return undefined;
}

function boundedDifference(
  before: TableFingerprint | undefined,
  after: TableFingerprint,
  actual: TableFingerprint,
): string | undefined {
  if (after.checksum === null || actual.rows > 0 || before === undefined) return undefined;
  const least = Math.min(before.rows, after.rows);
  return least >= neverEmpty ? `no rows in place of at least ${least}` : undefined;
}
