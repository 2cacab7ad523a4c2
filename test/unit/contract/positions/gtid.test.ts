import { describe, expect, it } from 'vitest';
import { compareLsn, parseLsn } from '../../../../contract/positions/lsn.ts';
import {
  formatMariadbGtid,
  mariadbGtidContains,
  mariadbGtidSubtract,
  mariadbGtidUnion,
  parseMariadbGtid,
} from '../../../../contract/positions/mariadb-gtid.ts';
import {
  formatMysqlGtid,
  mysqlGtidContains,
  mysqlGtidSubtract,
  parseMysqlGtid,
} from '../../../../contract/positions/mysql-gtid.ts';

const a = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const b = '4e11fa47-71ca-11e1-9e33-c80aa9429562';

describe('MySQL GTID sets', () => {
  it('come with line breaks after each comma and in capitals', () => {
    expect(formatMysqlGtid(parseMysqlGtid(`${b.toUpperCase()}:1-5,\n${a}:7:1-3:4\n`))).toBe(
      `${a}:1-4:7,${b}:1-5`,
    );
  });

  it('may carry tags, several within one uuid', () => {
    const set = parseMysqlGtid(`${a}:1-3:app:1-2:5:zone_b:9`);
    expect([...set.keys()]).toEqual([a, `${a}:app`, `${a}:zone_b`]);
    expect(formatMysqlGtid(set)).toBe(`${a}:1-3:app:1-2:5:zone_b:9`);
    expect(mysqlGtidContains(parseMysqlGtid(`${a}:1-100`), set)).toBe(false);
  });

  it('show errant transactions by subtraction', () => {
    const replica = parseMysqlGtid(`${a}:1-100,${b}:1-2`);
    expect(formatMysqlGtid(mysqlGtidSubtract(replica, parseMysqlGtid(`${a}:1-120`)))).toBe(`${b}:1-2`);
  });

  it.each([
    'x:1',
    a,
    `${a}:`,
    `${a}:0`,
    `${a}:5-3`,
    `${a}:app`,
    `${a}:1:app:other:1`,
    `${a}:9223372036854775807`,
  ])('refuses %s with Input.Invalid', (text) => {
    expect(() => parseMysqlGtid(text)).toThrow(expect.objectContaining({ name: 'Input.Invalid' }));
  });

  it('counts beyond what a JavaScript number holds', () => {
    expect(formatMysqlGtid(parseMysqlGtid(`${a}:9007199254740993-9007199254740995`))).toBe(
      `${a}:9007199254740993-9007199254740995`,
    );
  });
});

describe('MariaDB GTID positions', () => {
  it('compare per domain', () => {
    const here = parseMariadbGtid('0-1-100,\n5-2-7');
    expect(mariadbGtidContains(here, parseMariadbGtid('0-3-99'))).toBe(true);
    expect(mariadbGtidContains(here, parseMariadbGtid('0-1-100,6-1-1'))).toBe(false);
    expect(formatMariadbGtid(mariadbGtidSubtract(here, parseMariadbGtid('0-1-100,5-2-6')))).toBe('5-2-7');
  });

  it('tell two histories apart that count the same (M16)', () => {
    const [ours, theirs] = [parseMariadbGtid('0-1-100'), parseMariadbGtid('0-2-100')];
    expect(mariadbGtidContains(ours, theirs)).toBe(false);
    expect(() => mariadbGtidUnion(ours, theirs)).toThrow(
      expect.objectContaining({ name: 'Position.Diverged' }),
    );
  });

  it.each(['0-1', '0-1-2,0-1-3', '4294967296-1-1', '0-1-18446744073709551616', 'a-b-c'])(
    'refuses %s with Input.Invalid',
    (text) => {
      expect(() => parseMariadbGtid(text)).toThrow(expect.objectContaining({ name: 'Input.Invalid' }));
    },
  );

  it('the empty text is the position before everything', () => {
    expect(mariadbGtidContains(parseMariadbGtid('0-1-1'), parseMariadbGtid(''))).toBe(true);
    expect(formatMariadbGtid(parseMariadbGtid(''))).toBe('');
  });
});

describe('LSNs', () => {
  it('compare as numbers of 64 bits, not as text or doubles', () => {
    expect(compareLsn('99', '100')).toBeLessThan(0);
    expect(compareLsn('18446744073709551615', '18446744073709551614')).toBeGreaterThan(0);
    expect(compareLsn(' 47291\n', '47291')).toBe(0);
  });

  it('refuse what is not one', () => {
    for (const text of ['', '-1', '0x10', '18446744073709551616']) {
      expect(() => parseLsn(text)).toThrow(expect.objectContaining({ name: 'Input.Invalid' }));
    }
  });
});
