import { describe, expect, it } from 'vitest';
import type { Fingerprint, TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import { compareFingerprints } from '../../../../runner/engines/compare-fingerprints.ts';

const table = (name: string, rows: number, checksum: string | null = `sum of ${rows}`): TableFingerprint => ({
  schema: 'shop',
  table: name,
  rows,
  checksum,
});
const reading = (tables: TableFingerprint[], changes: Partial<Fingerprint> = {}): Fingerprint => ({
  v: 1,
  takenAt: '2026-11-23T02:00:00.000Z',
  position: null,
  schemaSha256: 'a'.repeat(64),
  accountsSha256: 'b'.repeat(64),
  seed: 's',
  coverage: 'full',
  tables,
  ...changes,
});
const exact = (fingerprint: Fingerprint, restored: Fingerprint) =>
  compareFingerprints({ comparison: 'exact', fingerprint }, restored).differences;
const bounded = (before: Fingerprint, after: Fingerprint, restored: Fingerprint) =>
  compareFingerprints({ comparison: 'bounded', fingerprint: after, fingerprintBefore: before }, restored)
    .differences;

describe('M08 an exact comparison', () => {
  const taken = reading([table('a', 2), table('b', 0)]);

  it('finds equal data equal, and counts it', () => {
    expect(compareFingerprints({ comparison: 'exact', fingerprint: taken }, structuredClone(taken))).toEqual({
      comparison: 'exact',
      differences: [],
      tables: 2,
      rows: 2,
    });
  });

  it.each([
    ['a missing table', reading([table('a', 2)]), 'shop.b is missing'],
    ['one too many', reading([table('a', 2), table('b', 0), table('c', 1)]), 'shop.c was not in the backup'],
    ['other counts', reading([table('a', 3), table('b', 0)]), 'shop.a: 3 rows in place of 2'],
    ['other contents', reading([table('a', 2, 'x'), table('b', 0)]), 'shop.a: other contents in its 2 rows'],
    ['other definitions', reading(taken.tables, { schemaSha256: 'c'.repeat(64) }), 'definitions'],
    ['other accounts', reading(taken.tables, { accountsSha256: 'c'.repeat(64) }), 'accounts'],
    ['another seed', reading(taken.tables, { seed: 't' }), 'another seed'],
    ['another coverage', reading(taken.tables, { coverage: 'ranges' }), 'coverage'],
  ])('F74 names %s', (_what, restored, said) => {
    expect(exact(taken, restored)).toEqual([expect.stringContaining(said)]);
  });

  it('does not ask for rows that no server keeps over a start', () => {
    expect(exact(reading([table('memory', 5, null)]), reading([table('memory', 0, null)]))).toEqual([]);
  });
});

describe('a bounded comparison', () => {
  const before = reading([table('still', 5), table('busy', 5000)]);
  const after = reading([table('still', 5), table('busy', 6000)]);

  it('lets a table that changed during the backup hold anything it may have held', () => {
    expect(bounded(before, after, reading([table('still', 5), table('busy', 7000)]))).toEqual([]);
  });

  it('holds a table that stood still to its contents', () => {
    expect(bounded(before, after, reading([table('still', 4), table('busy', 5500)]))).toEqual([
      'shop.still: 4 rows in place of 5',
    ]);
  });

  it('F74 does not take an empty table for one of thousands of rows', () => {
    expect(bounded(before, after, reading([table('still', 5), table('busy', 0)]))).toEqual([
      'shop.busy: no rows in place of at least 5000',
    ]);
    const queue = (rows: number) => reading([table('queue', rows)]);
    expect(bounded(queue(3), queue(9), queue(0))).toEqual([]);
  });

  it('holds definitions and accounts to the manifest where they stood still, and only there', () => {
    const restored = reading(after.tables, { schemaSha256: 'c'.repeat(64), accountsSha256: 'c'.repeat(64) });
    expect(bounded(before, after, restored)).toHaveLength(2);
    const moved = reading(before.tables, { schemaSha256: 'd'.repeat(64), accountsSha256: 'd'.repeat(64) });
    expect(bounded(moved, after, restored)).toEqual([]);
  });

  it('lets tables come and go where definitions changed, but misses one that was there throughout', () => {
    const earlier = reading([table('still', 5), table('dropped', 1)], { schemaSha256: 'd'.repeat(64) });
    const later = reading([table('still', 5), table('created', 1)]);
    expect(bounded(earlier, later, reading([table('still', 5), table('dropped', 1)]))).toEqual([]);
    expect(bounded(earlier, later, reading([table('dropped', 1)]))).toEqual(['shop.still is missing']);
  });
});
