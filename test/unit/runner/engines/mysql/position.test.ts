import { describe, expect, it } from 'vitest';
import type { MysqlPosition } from '../../../../../contract/positions/position.ts';
import { backupPosition } from '../../../../../runner/engines/mysql/backup-position.ts';
import { mustHold } from '../../../../../runner/engines/mysql/expected-tables.ts';
import { samePosition, sortedGtids } from '../../../../../runner/engines/mysql/position.ts';

const at = (gtid: string, file?: string, offset?: number): MysqlPosition => ({
  kind: 'mysql',
  flavour: 'mariadb',
  gtid,
  ...(file === undefined || offset === undefined ? {} : { file, offset }),
});

describe('two positions are one', () => {
  it('when their GTIDs are, in whatever order the domains come', () => {
    expect(samePosition(at('0-1-5,1-2-9'), at('1-2-9, 0-1-5'))).toBe(true);
    expect(samePosition(at('0-1-5'), at('0-1-6'))).toBe(false);
    expect(sortedGtids(' 1-2-9 ,0-1-5,')).toBe('0-1-5,1-2-9');
  });

  it('when file and offset are too, where the server writes a log', () => {
    expect(samePosition(at('0-1-5', 'b.1', 7), at('0-1-5', 'b.1', 7))).toBe(true);
    expect(samePosition(at('0-1-5', 'b.1', 7), at('0-1-5', 'b.1', 8))).toBe(false);
    expect(samePosition(at('0-1-5', 'b.1', 7), at('0-1-5'))).toBe(false);
  });

  it('never where nothing is known', () => {
    expect(samePosition(null, null)).toBe(false);
    expect(samePosition(at(''), at(''))).toBe(false);
  });
});

describe('the position of a backup', () => {
  const files = (entries: Record<string, string>) => (path: string) =>
    entries[path] === undefined ? undefined : Buffer.from(entries[path]);

  it('is what a replica had applied, with its own log if it writes one', () => {
    const content = files({
      xtrabackup_slave_info:
        "SET GLOBAL gtid_slave_pos = '0-1-5';\nCHANGE MASTER TO master_use_gtid = slave_pos;\n",
      xtrabackup_binlog_info: 'rbin.000001\t323\t0-1-5\n',
    });
    expect(backupPosition(content, 'mariadb', true, null)).toEqual(at('0-1-5', 'rbin.000001', 323));
  });

  it('is what the server said while its applier stood, where the replica uses no GTIDs', () => {
    const content = files({
      mariadb_backup_slave_info: "CHANGE MASTER TO MASTER_LOG_FILE='p.1', MASTER_LOG_POS=4;\n",
    });
    expect(backupPosition(content, 'mariadb', true, at('0-1-5'))).toEqual(at('0-1-5'));
  });

  it('is what a primary had written, and null on a server without a log', () => {
    const content = files({ xtrabackup_binlog_info: 'pbin.000001\t5662954\t0-101-5\n' });
    expect(backupPosition(content, 'mariadb', false, null)).toEqual(at('0-101-5', 'pbin.000001', 5662954));
    expect(backupPosition(files({}), 'mariadb', false, null)).toBeNull();
  });
});

describe('the position of a backup of MySQL', () => {
  const uuid = 'd8f3f2b4-e903-11f1-98ee-02fc00000001';
  const files = (entries: Record<string, string>) => (path: string) =>
    entries[path] === undefined ? undefined : Buffer.from(entries[path]);
  const of = (entries: Record<string, string>) => backupPosition(files(entries), 'percona', true, null);

  it('is one set for what was applied and written, in one line and one order', () => {
    const set = `${uuid}:1-3:4,\n0${uuid.slice(1)}:7`;
    expect(of({ xtrabackup_binlog_info: `binlog.000018\t157\t${set}\n` })).toEqual({
      kind: 'mysql',
      flavour: 'mysql',
      gtid: `0${uuid.slice(1)}:7,${uuid}:1-4`,
      file: 'binlog.000018',
      offset: 157,
    });
  });

  it('is in xtrabackup_info where the tool has packed the rest', () => {
    const info = `tool_name = xtrabackup\nbinlog_pos = filename 'b.000002', position '197', GTID of the last change '${uuid}:1-4'\n`;
    expect(of({ xtrabackup_info: info })).toMatchObject({
      gtid: `${uuid}:1-4`,
      file: 'b.000002',
      offset: 197,
    });
  });

  it('is that of its source on a replica without a log of its own', () => {
    const slave = `SET GLOBAL gtid_purged='${uuid}:1-9';\nCHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1;\n`;
    expect(of({ xtrabackup_slave_info: slave })).toEqual({
      kind: 'mysql',
      flavour: 'mysql',
      gtid: `${uuid}:1-9`,
    });
    expect(of({})).toBeNull();
  });
});

describe('the tables that a backup must hold', () => {
  const table = (name: string) => ({ db: 'shop', table: name });

  it('F10 are those that were there at its start and at its end', () => {
    const stream = { files: new Map(), goneWithDirectory: new Set<string>() };
    expect(mustHold([table('kept'), table('dropped')], [table('created'), table('kept')], stream)).toEqual([
      table('kept'),
    ]);
  });

  it('F10 are those too that were made meanwhile and that the stream names', () => {
    const file = { bytes: 1, ended: true, rewrite: false, source: '', from: 0, to: 1 };
    const stream = {
      files: new Map([
        ['shop/created.frm', file],
        ['shop/dropped.frm', file],
      ]),
      goneWithDirectory: new Set(['shop/again.MAD']),
    };
    const after = [table('created'), table('again'), table('later')];
    expect(mustHold([], after, stream)).toEqual([table('created'), table('again')]);
  });
});
