import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatMariadbGtid,
  type MariadbGtidPosition,
  mariadbGtidContains,
  mariadbGtidEquals,
  mariadbGtidSubtract,
  mariadbGtidUnion,
  parseMariadbGtid,
} from '../../../../contract/positions/mariadb-gtid.ts';

const entry = fc.tuple(
  fc.nat({ max: 4 }),
  fc.record({ server: fc.integer({ min: 1, max: 3 }), seq: fc.bigInt({ min: 1n, max: 8n }) }),
);
const gtidPosition = fc
  .uniqueArray(entry, { selector: ([domain]) => domain, maxLength: 5 })
  .map((entries) =>
    parseMariadbGtid(entries.map(([domain, { server, seq }]) => `${domain}-${server}-${seq}`).join(',')),
  );
/** Two positions of one history: a sequence number of a domain comes from one server only. */
const oneHistory = (position: MariadbGtidPosition): MariadbGtidPosition =>
  new Map([...position].map(([domain, { seq }]) => [domain, { server: Number(seq % 3n) + 1, seq }]));
const together = gtidPosition.map(oneHistory);

describe('arithmetic of MariaDB GTID positions', () => {
  it('reads what it writes', () => {
    fc.assert(
      fc.property(gtidPosition, (a) => {
        expect(parseMariadbGtid(formatMariadbGtid(a))).toEqual(a);
        expect(mariadbGtidEquals(a, parseMariadbGtid(formatMariadbGtid(a).replaceAll(',', ',\n')))).toBe(
          true,
        );
      }),
    );
  });

  it('a union contains both and nothing further, whichever comes first', () => {
    fc.assert(
      fc.property(together, together, together, (a, b, c) => {
        const both = mariadbGtidUnion(a, b);
        expect(both).toEqual(mariadbGtidUnion(b, a));
        expect(mariadbGtidContains(both, a) && mariadbGtidContains(both, b)).toBe(true);
        expect(mariadbGtidUnion(both, c)).toEqual(mariadbGtidUnion(a, mariadbGtidUnion(b, c)));
        expect(mariadbGtidUnion(a, a)).toEqual(a);
        if (mariadbGtidContains(c, a) && mariadbGtidContains(c, b)) {
          expect(mariadbGtidContains(c, both)).toBe(true);
        }
      }),
    );
  });

  it('what is subtracted and added again is the union; contained is what leaves nothing', () => {
    fc.assert(
      fc.property(together, together, (a, b) => {
        expect(mariadbGtidUnion(mariadbGtidSubtract(a, b), b)).toEqual(mariadbGtidUnion(a, b));
        expect(mariadbGtidContains(b, a)).toBe(mariadbGtidSubtract(a, b).size === 0);
        expect(mariadbGtidSubtract(a, a).size).toBe(0);
      }),
    );
  });

  it('two positions contain each other only where they are equal', () => {
    fc.assert(
      fc.property(gtidPosition, gtidPosition, (a, b) => {
        expect(mariadbGtidContains(a, b) && mariadbGtidContains(b, a)).toBe(mariadbGtidEquals(a, b));
      }),
    );
  });
});
