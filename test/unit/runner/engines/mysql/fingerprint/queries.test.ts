import { describe, expect, it } from 'vitest';
import { rowExpression } from '../../../../../../runner/engines/mysql/fingerprint/checksum.ts';
import { withoutCounter } from '../../../../../../runner/engines/mysql/fingerprint/definitions.ts';
import {
  isSmall,
  rangeSource,
  rowsPerRange,
  seededPoint,
} from '../../../../../../runner/engines/mysql/fingerprint/ranges.ts';
import type { UserTable } from '../../../../../../runner/engines/mysql/fingerprint/user-tables.ts';

const table: UserTable = {
  schema: 'shop',
  table: 'orders',
  kind: 'table',
  engine: 'InnoDB',
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'odd ` name', type: 'longblob' },
  ],
  key: ['id'],
  bytes: 10e9,
};

describe('a checksum of rows', () => {
  it('takes each value with its length, tells NULL from empty, and large values by their hash', () => {
    const text = rowExpression(table.columns);
    expect(text).toContain("CONCAT(OCTET_LENGTH(CAST(`id` AS BINARY)),':',CAST(`id` AS BINARY))");
    expect(text).toContain('SHA2(`odd `` name`,256)');
    expect(text.match(/'N'\)/g)).toHaveLength(2);
  });
});

describe('a definition', () => {
  it('is compared without the counter, which moves with every row', () => {
    const definition =
      "CREATE TABLE `t` (\n  `a` int COMMENT ' AUTO_INCREMENT=5 '\n) ENGINE=InnoDB AUTO_INCREMENT=42 DEFAULT CHARSET=utf8mb4 COMMENT=' AUTO_INCREMENT=7'";
    expect(withoutCounter(definition)).toBe(definition.replace(' AUTO_INCREMENT=42', ''));
    expect(withoutCounter('CREATE SEQUENCE `s` start with 1')).toBe('CREATE SEQUENCE `s` start with 1');
  });
});

describe('ranges of a large table', () => {
  it('begin where the seed says, the same for everyone who reads again', () => {
    const points = [0, 1, 2, 3].map((n) => seededPoint('seed', 'shop.orders', n, 10n, 1_000_000n));
    expect(points).toEqual([0, 1, 2, 3].map((n) => seededPoint('seed', 'shop.orders', n, 10n, 1_000_000n)));
    expect(new Set(points).size).toBe(4);
    for (const point of points) expect(point >= 10n && point <= 1_000_000n).toBe(true);
    expect(seededPoint('other', 'shop.orders', 0, 10n, 1_000_000n)).not.toBe(points[0]);
  });

  it('work on a key that holds one value, and on negative ones', () => {
    expect(seededPoint('s', 't', 0, -5n, -5n)).toBe(-5n);
  });

  it('read about 1 GiB in all, however many tables there are', () => {
    expect(rowsPerRange(100, 1)).toBe(100_000);
    expect(rowsPerRange(100, 1000) * 4 * 1000 * 100).toBeLessThanOrEqual(1024 ** 3);
    expect(rowsPerRange(0, 1e9)).toBe(100);
  });

  it('leave few whole tables where there are many', () => {
    const of = (bytes: number, tables: number) => isSmall({ ...table, bytes }, tables);
    expect(of(8 * 1024 * 1024, 10)).toBe(true);
    expect(of(8 * 1024 * 1024, 10_000)).toBe(false);
    expect(of(100_000, 10_000)).toBe(true);
    expect(of(64 * 1024, 1e6)).toBe(true);
  });

  it('are read by key, or as the ends of the key order where it does not begin with an integer', () => {
    expect(rangeSource(table, { from: '5', to: '9' }, '`shop`.`orders`')).toBe(
      '`shop`.`orders` WHERE `id` BETWEEN 5 AND 9',
    );
    expect(rangeSource(table, { from: 'last', to: '9' }, '`shop`.`orders`')).toBe(
      '(SELECT `id`,`odd `` name` FROM `shop`.`orders` FORCE INDEX (PRIMARY) ORDER BY `id` DESC LIMIT 9) AS piece',
    );
  });

  it('are so many rows and no more where one value of the first column of a key may stand for any number', () => {
    const tenants = { ...table, key: ['tenant', 'id'] };
    expect(rangeSource(tenants, { from: '5', to: '+9' }, 't')).toBe(
      '(SELECT `id`,`odd `` name` FROM t FORCE INDEX (PRIMARY) WHERE `tenant` >= 5 ORDER BY `tenant`,`id` LIMIT 9) AS piece',
    );
  });

  it('are the first rows as they are stored where there is no key', () => {
    expect(rangeSource({ ...table, key: [] }, { from: 'first', to: '9' }, 't')).toBe(
      '(SELECT `id`,`odd `` name` FROM t USE INDEX () LIMIT 9) AS piece',
    );
  });

  it('are refused where a manifest brings anything but numbers', () => {
    expect(() => rangeSource(table, { from: '1 OR 1', to: '2' }, 't')).toThrow(SyntaxError);
    expect(() => rangeSource(table, { from: 'first', to: '1; DROP' }, 't')).toThrow(SyntaxError);
  });
});
