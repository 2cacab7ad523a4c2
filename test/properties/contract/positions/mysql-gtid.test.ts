import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatMysqlGtid,
  type MysqlGtidSet,
  mysqlGtidContains,
  mysqlGtidEquals,
  mysqlGtidSubtract,
  mysqlGtidUnion,
  parseMysqlGtid,
} from '../../../../contract/positions/mysql-gtid.ts';

const uuids = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '4e11fa47-71ca-11e1-9e33-c80aa9429562'];
const source = fc
  .tuple(fc.constantFrom(...uuids), fc.constantFrom('', ':app', ':app_2'))
  .map(([uuid, tag]) => `${uuid}${tag}`);
const interval = fc
  .tuple(fc.bigInt({ min: 1n, max: 30n }), fc.bigInt({ min: 0n, max: 6n }))
  .map(([first, more]) => `${first}-${first + more}`);
const gtidSet = fc
  .array(fc.tuple(source, interval), { maxLength: 12 })
  .map((pieces) => parseMysqlGtid(pieces.map(([s, i]) => `${s}:${i}`).join(',')));

/** The same set the slow way: every transaction by itself. */
function members(set: MysqlGtidSet): Set<string> {
  const all = new Set<string>();
  for (const [from, intervals] of set) {
    for (const { first, last } of intervals) {
      for (let n = first; n <= last; n++) all.add(`${from}:${n}`);
    }
  }
  return all;
}

const without = (a: MysqlGtidSet, b: MysqlGtidSet) => {
  const other = members(b);
  return new Set([...members(a)].filter((transaction) => !other.has(transaction)));
};

describe('arithmetic of MySQL GTID sets', () => {
  it('agrees with sets of single transactions', () => {
    fc.assert(
      fc.property(gtidSet, gtidSet, (a, b) => {
        expect(members(mysqlGtidUnion(a, b))).toEqual(new Set([...members(a), ...members(b)]));
        expect(members(mysqlGtidSubtract(a, b))).toEqual(without(a, b));
        expect(mysqlGtidContains(a, b)).toBe(without(b, a).size === 0);
        expect(mysqlGtidEquals(a, b)).toBe(without(a, b).size + without(b, a).size === 0);
      }),
    );
  });

  it('reads what it writes, and writes equal sets equally', () => {
    fc.assert(
      fc.property(gtidSet, (a) => {
        const text = formatMysqlGtid(a);
        expect(parseMysqlGtid(text)).toEqual(a);
        expect(formatMysqlGtid(parseMysqlGtid(text.replaceAll(',', ',\n').toUpperCase()))).toBe(text);
      }),
    );
  });

  it('union is commutative, associative and idempotent; what is subtracted and added again is the union', () => {
    fc.assert(
      fc.property(gtidSet, gtidSet, gtidSet, (a, b, c) => {
        expect(mysqlGtidUnion(a, b)).toEqual(mysqlGtidUnion(b, a));
        expect(mysqlGtidUnion(mysqlGtidUnion(a, b), c)).toEqual(mysqlGtidUnion(a, mysqlGtidUnion(b, c)));
        expect(mysqlGtidUnion(a, a)).toEqual(a);
        expect(mysqlGtidUnion(mysqlGtidSubtract(a, b), b)).toEqual(mysqlGtidUnion(a, b));
        expect(mysqlGtidSubtract(mysqlGtidSubtract(a, b), b)).toEqual(mysqlGtidSubtract(a, b));
      }),
    );
  });
});
