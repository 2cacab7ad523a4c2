import { describe, expect, it } from 'vitest';
import type { SegmentIndex } from '../../../../contract/formats/segment.ts';
import { reachingIn } from '../../../../contract/mysql-files/reaching-in.ts';
import type { LogOrder } from '../../../../contract/records/log-order.ts';
import { reachedInto } from '../../../../functions/restore/tables/reached-into.ts';
import { statementKind } from '../../../../runner/engines/mysql/binlog/definition.ts';

const orders = { schema: 'shop', table: 'orders' };
const set = [orders, { schema: 'shop', table: 'customers' }];

/** The index of one transaction, as the archiver would write it of this statement. */
function indexOf(text: string, gtid = '0-1-5', schema = 'shop'): SegmentIndex {
  const kind = statementKind({ schema, text, whole: true });
  const base = { gtid, at: 4, bytes: 100, time: 1 };
  const index = { t: 'index' as const, v: 1 as const, looks: [] };
  if (kind.kind !== 'definition') {
    return { ...index, tables: [], transactions: [{ ...base, unsure: true }] };
  }
  const transaction = {
    ...base,
    ddl: kind.verb,
    tables: kind.tables.map((_, i) => i),
    ...(kind.unsure ? { unsure: true as const } : {}),
  };
  return { ...index, tables: kind.tables, transactions: [transaction] };
}

describe('what reaches into some tables from outside', () => {
  it('M04 is not a schema that goes, unless it is theirs or the statement ran in theirs', () => {
    const drop = (schema: string) =>
      reachingIn(set, indexOf('DROP DATABASE elsewhere', '0-1-5', schema), () => true);
    expect(drop('elsewhere')).toBeUndefined();
    expect(drop('shop')).toMatchObject({ gtid: '0-1-5' });
  });

  it.each([
    'ALTER TABLE orders ADD COLUMN x INT, ADD CONSTRAINT c FOREIGN KEY (x) REFERENCES customers (id) ON DELETE CASCADE',
    'ALTER TABLE shop.orders MODIFY placed TIMESTAMP ON UPDATE CURRENT_TIMESTAMP',
    'TRUNCATE TABLE orders',
    'ALTER TABLE orders TRUNCATE PARTITION p0, p1',
    'ALTER TABLE orders CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin',
    'ALTER TABLE orders RENAME COLUMN a TO b, RENAME INDEX c TO `d`, ADD e INT',
    'ALTER TABLE orders REORGANIZE PARTITION a INTO (PARTITION b VALUES LESS THAN (5))',
    'DROP TABLE orders, customers',
    'RENAME TABLE other TO another',
    'CREATE TABLE other LIKE another',
    'CREATE DATABASE IF NOT EXISTS fresh',
    "GRANT SELECT ON shop.* TO 'a'@'b'",
    'CREATE PROCEDURE p() SELECT 1',
  ])('M04 is not: %s', (text) => {
    expect(reachingIn(set, indexOf(text), () => true)).toBeUndefined();
  });

  it.each([
    'RENAME TABLE orders TO orders_old, orders_new TO orders',
    'ALTER TABLE orders EXCHANGE PARTITION p WITH TABLE archive',
    'CREATE TABLE orders SELECT * FROM elsewhere.orders',
    'ALTER TABLE orders ADD FOREIGN KEY (x) REFERENCES shops (id)',
    'DROP TABLE orders, others',
    'ALTER TABLE orders RENAME TO others',
    'ALTER TABLE orders RENAME others',
    'ALTER TABLE others RENAME shop.orders',
    'ALTER TABLE others RENAME = orders',
    'ALTER TABLE orders RENAME COLUMN a TO b, RENAME AS others',
    'DROP DATABASE shop',
    'INSERT INTO orders SELECT * FROM others',
  ])('M04 is: %s', (text) => {
    expect(reachingIn(set, indexOf(text), () => true)).toMatchObject({ gtid: '0-1-5' });
    expect(reachingIn(set, indexOf(text), () => false)).toBeUndefined();
  });

  it('M04 is refused in planning, with the point before it; a log without GTIDs as well', async () => {
    const at = (gtid: string) => ({ kind: 'mysql' as const, flavour: 'mariadb' as const, gtid });
    const log = { from: at('0-1-4'), until: at('0-1-9') } as LogOrder;
    const wanted = [{ ...orders, as: 'orders_restored' }];
    async function* changes(gtid: string) {
      yield indexOf('RENAME TABLE orders TO old, fresh TO orders', gtid);
    }
    const judged = (gtid: string, of = log) => reachedInto({ wanted, ancestors: [] }, of, changes(gtid));
    expect(await judged('0-1-5')).toMatchObject({
      outcome: 'refused',
      error: { name: 'Restore.TableUnfit', cause: expect.stringContaining('until: {"beforeGtid": "0-1-5"}') },
    });
    expect(await judged('0-1-4')).toBeUndefined();
    expect(await judged('0-1-10')).toBeUndefined();
    const dropping = async (...statements: string[]) => {
      async function* all() {
        for (const [i, text] of statements.entries()) yield indexOf(text, `0-1-${5 + i}`);
      }
      return reachedInto({ wanted, ancestors: [] }, log, all());
    };
    expect(await dropping('CREATE TABLE other (id INT)', 'DROP TABLE orders')).toMatchObject({
      error: {
        name: 'Restore.TableUnknown',
        cause: expect.stringContaining('until: {"beforeGtid": "0-1-6"}'),
      },
    });
    expect(await dropping('DROP TABLE orders', 'CREATE TABLE orders (id INT)')).toBeUndefined();
    expect(await dropping('DROP TEMPORARY TABLE orders')).toBeUndefined();
    expect(await judged('0-1-5', { ...log, until: at('') })).toMatchObject({
      error: { name: 'Restore.NotYet', cause: expect.stringContaining('until:') },
    });
  });
});
