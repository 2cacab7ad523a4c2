import { describe, expect, it } from 'vitest';
import { decodeFilename } from '../../../../../../contract/mysql-files/filename.ts';
import { tableFile } from '../../../../../../contract/mysql-files/table-file.ts';
import { tables } from '../../../../../../runner/engines/mysql/xbstream/tables.ts';

describe('names of files', () => {
  // Pairs as MariaDB 10.11 gives them for CONVERT(name USING filename).
  it.each([
    ['t1', 't1'],
    ['o@0027dd@0020n@0kme', "o'dd näme"],
    ['@0024a@002fb@002e', '$a/b.'],
    ['@G1@g1@0G@ti', 'ФфÀʒ'],
    ['@4e2d@6587', '中文'],
    ['@@', '@@'],
    ['user@1', 'user@1'],
    ['trailing@', 'trailing@'],
  ])('%s is %s', (file, name) => {
    expect(decodeFilename(file)).toBe(name);
  });
});

describe('files of tables', () => {
  it.each([
    ['d/t.ibd', 't', 'ibd', undefined],
    ['d/t.ibd.delta', 't', 'ibd', undefined],
    ['d/t.new.meta', 't', 'new', undefined],
    ['d/t.ibd.zst', 't', 'ibd', undefined],
    ['d/t.ibd.lz4.xbcrypt', 't', 'ibd', undefined],
    ['d/t#P#p0.ibd', 't', 'ibd', 'p0'],
    ['d/t#p#p0#sp#s1.ibd', 't', 'ibd', 'p0#sp#s1'],
    ['d/t_363.sdi', 't', 'sdi', undefined],
    ['d/a@002eb.MAD', 'a.b', 'MAD', undefined],
  ])('%s belongs to %s', (path, table, extension, partition) => {
    expect(tableFile(path)).toMatchObject({ db: 'd', table, extension, ...(partition && { partition }) });
  });

  it.each([
    'ibdata1',
    'xtrabackup_info',
    'd/db.opt',
    'd/trigger.TRN',
    'd/#sql-alter-1-2.ibd',
    'd/sub/t.ibd',
    'd/FTS_0000000000000123_0000000000000456_INDEX_1.ibd',
    'd/FTS_0000000000000123_BEING_DELETED_CACHE.ibd',
    'undo_001.ibu',
    'mysql.ibd',
  ])('%s belongs to no table', (path) => {
    expect(tableFile(path)).toBeUndefined();
  });

  it('a name that only begins like one of FULLTEXT belongs to a table of a user', () => {
    expect(tableFile('d/FTS_0000000000000001_orders.ibd')).toMatchObject({
      table: 'FTS_0000000000000001_orders',
    });
  });

  it('are put together to tables as preparing the backup will leave them', () => {
    const notes: Record<string, string> = { 'd/old.ren': 'e/moved' };
    const found = tables(
      [
        'd/old.ibd',
        'd/old.ren',
        'd/dropped.ibd',
        'd/dropped.del',
        'd/fresh.new',
        'd/t#P#a.ibd',
        'd/t#P#b.ibd',
        'd/t.frm',
      ],
      (path) => (notes[path] === undefined ? undefined : Buffer.from(notes[path])),
    );
    expect(found).toEqual([
      { db: 'e', table: 'moved', paths: ['d/old.ibd'] },
      { db: 'd', table: 'fresh', paths: ['d/fresh.new'] },
      { db: 'd', table: 't', paths: ['d/t#P#a.ibd', 'd/t#P#b.ibd', 'd/t.frm'] },
    ]);
  });

  it('keep a table that was dropped and made again', () => {
    expect(tables(['d/t.ibd', 'd/t.del', 'd/t.new'])).toEqual([{ db: 'd', table: 't', paths: ['d/t.new'] }]);
  });
});
