import { describe, expect, it } from 'vitest';
import { filesOfTables, renamedStem } from '../../../../contract/mysql-files/files-of-tables.ts';
import { ancestorsOf, type TableRelations } from '../../../../contract/mysql-files/relations.ts';

const named = (text: string) => {
  const [schema = '', table = ''] = text.split('.');
  return { schema, table };
};
const relations: TableRelations[] = [
  { ...named('shop.items'), references: [named('shop.orders')] },
  { ...named('shop.orders'), references: [named('shop.customers')], fullText: '0000000000000013' },
  { ...named('shop.customers'), references: [named('geo.cities'), named('shop.orders')] },
  { ...named('shop.reviews'), fullText: '000000000000001f' },
];

describe('what a table depends on', () => {
  it('M04 follows foreign keys to their ends, also in a circle and across schemas', () => {
    expect(ancestorsOf([named('shop.items')], relations)).toEqual(
      ['geo.cities', 'shop.customers', 'shop.orders'].map(named),
    );
    expect(ancestorsOf([named('shop.customers'), named('shop.orders')], relations)).toEqual([
      named('geo.cities'),
    ]);
    expect(ancestorsOf([named('shop.reviews')], relations)).toEqual([]);
  });
});

describe('the files of some tables', () => {
  const paths = [
    'ibdata1',
    'undo001',
    'ib_logfile0',
    'aria_log.00000001',
    'aria_log_control',
    'backup-my.cnf',
    'xtrabackup_info',
    'ib_buffer_pool',
    'mysql/db.MAD',
    'mysql/gtid_slave_pos.ibd',
    'mysql/db.opt',
    'mysql/general_log.CSV',
    'mysql/slow_log.CSM',
    'shop/db.opt',
    'shop/orders.frm',
    'shop/orders.ibd',
    'shop/orders.TRG',
    'shop/orders_old.ibd',
    'shop/customers.new',
    'shop/parts#P#a.ibd',
    'shop/parts.par',
    'shop/FTS_0000000000000013_0000000000000020_INDEX_1.ibd',
    'shop/FTS_0000000000000013_CONFIG.new',
    'shop/FTS_000000000000001f_CONFIG.ibd',
    'geo/cities.ibd',
    'other/FTS_0000000000000013_CONFIG.ibd',
    'shop/#sql-alter-7-1.ibd',
    'sys/sys_config.ibd',
  ];
  const pick = (tables: string[], ancestors: string[], known: TableRelations[] | undefined = relations) => {
    const renamed = new Set(paths.map(renamedStem).filter((stem) => stem !== undefined));
    const roleOf = filesOfTables(
      { tables: tables.map(named), ancestors: ancestors.map(named), relations: known },
      renamed,
    );
    const of = (role: string) => paths.filter((path) => roleOf(path) === role);
    return { fixed: of('fixed'), table: of('table'), ancestor: of('ancestor') };
  };

  it('M04 are its own, those of its FULLTEXT indexes, those of its ancestors and what a server needs to start', () => {
    expect(pick(['shop.orders'], ['shop.customers', 'geo.cities'])).toEqual({
      fixed: [
        'ibdata1',
        'undo001',
        'ib_logfile0',
        'aria_log.00000001',
        'aria_log_control',
        'backup-my.cnf',
        'xtrabackup_info',
        'mysql/db.MAD',
        'mysql/gtid_slave_pos.ibd',
        'mysql/db.opt',
      ],
      table: [
        'shop/orders.frm',
        'shop/orders.ibd',
        'shop/FTS_0000000000000013_0000000000000020_INDEX_1.ibd',
        'shop/FTS_0000000000000013_CONFIG.new',
      ],
      ancestor: ['shop/customers.new', 'geo/cities.ibd'],
    });
    expect(pick(['shop.parts'], []).table).toEqual(['shop/parts#P#a.ibd', 'shop/parts.par']);
  });

  it('M04 hold every FULLTEXT file of the schema where the backup does not say whose is whose', () => {
    const without = filesOfTables(
      { tables: [named('shop.orders')], ancestors: [], relations: undefined },
      new Set(),
    );
    expect(paths.filter((path) => path.includes('FTS_') && without(path) === 'table')).toEqual([
      'shop/FTS_0000000000000013_0000000000000020_INDEX_1.ibd',
      'shop/FTS_0000000000000013_CONFIG.new',
      'shop/FTS_000000000000001f_CONFIG.ibd',
    ]);
  });

  it('hold each tablespace that was renamed while the tool ran, since its new name is in its note only', () => {
    expect(renamedStem('shop/old.ren')).toBe('shop/old');
    expect(renamedStem('shop/old.ibd')).toBeUndefined();
    const roleOf = filesOfTables(
      { tables: [named('shop.orders')], ancestors: [], relations },
      new Set(['shop/#sql-alter-7-1']),
    );
    expect(roleOf('shop/#sql-alter-7-1.ren')).toBe('fixed');
    expect(roleOf('shop/#sql-alter-7-1.ibd')).toBe('fixed');
    expect(roleOf('shop/#sql-alter-7-2.ibd')).toBeUndefined();
  });
});
