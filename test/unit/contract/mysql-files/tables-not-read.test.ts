import { describe, expect, it } from 'vitest';
import { definedTables } from '../../../../contract/mysql-files/defines-table.ts';
import { tablesNotRead } from '../../../../contract/mysql-files/tables-not-read.ts';

describe('single tables', () => {
  const kind = { level: 'full' as const, chain: 'b-0' };

  it('are read of every backup of MariaDB, and of fulls and dumps of MySQL and Percona Server', () => {
    const every = { ...kind, level: 'incremental' as const };
    expect(tablesNotRead({ ...every, flavour: 'mariadb' })).toBeUndefined();
    for (const flavour of ['mysql', 'percona']) expect(tablesNotRead({ ...kind, flavour })).toBeUndefined();
  });

  it('are refused of others, with what can be had', () => {
    const of = (changes: Partial<Parameters<typeof tablesNotRead>[0]>) =>
      tablesNotRead({ ...kind, flavour: 'mysql', ...changes });
    expect(of({ level: 'incremental' })).toContain('the nearest full is b-0');
    expect(of({ flavour: 'tidb' })).toContain('of tidb');
  });

  it('are defined by files of their own on MariaDB, and by the dictionary on MySQL, which has what has rows', () => {
    const paths = ['shop/a.frm', 'shop/b.ibd', 'shop/c#p#p0.ibd.zst', 'shop/d.MYD', 'ibdata1', 'mysql.ibd'];
    const names = (flavour: string) => [...definedTables(paths, flavour)].map((key) => JSON.parse(key)[1]);
    expect(names('mariadb')).toEqual(['a']);
    expect(names('mysql')).toEqual(['b', 'c', 'd']);
  });
});
