import { describe, expect, it } from 'vitest';
import { placingOrder } from '../../../../../../runner/engines/mysql/restore/place.ts';
import { restoreRefusal } from '../../../../../../runner/engines/mysql/restore/preflight.ts';
import { foreignOptions as foreign } from '../../../../../../runner/engines/mysql/restore/prepare.ts';
import { isReplicationLeftover } from '../../../../../../runner/engines/mysql/restore/replication-leftovers.ts';
import {
  newServerId,
  serverConfig,
  socketPath,
} from '../../../../../../runner/engines/mysql/restore/server-config.ts';
import { checkFault } from '../../../../../../runner/engines/mysql/restore/table-check.ts';
import { mariadbBackup } from '../../../../../../runner/engines/mysql/tools/mariadb-backup.ts';

const target = { hostId: 'mi-0abc', directory: '/data/new', port: 3310, user: 'mysql' };
const server = {
  version: '10.11.19',
  uuid: 'u',
  serverId: 101,
  role: 'replica' as const,
  variables: { innodb_page_size: '32768', log_bin: 'ON', collation_server: 'utf8mb4_general_ci' },
  options: [],
};
const restore = { bytes: 100, memoryBytes: 1, toolVersion: '10.11.19', byHand: [], outsideDatadir: [] };
const tools = { 'mariadb-backup': '10.11.19', mariadbd: '10.11.19', xtrabackup: null, mysqld: null };
const inspected = {
  directoryState: 'empty' as const,
  entries: [],
  freeBytes: 100,
  portFree: true,
  userExists: true,
};

const { prepareWarnings } = mariadbBackup;
const foreignOptions = (text: string) => foreign(text, mariadbBackup);

describe('a restore is refused', () => {
  const refusal = (manifest: object, host: object = {}, found: object = {}) =>
    restoreRefusal(
      { target },
      { flavour: 'mariadb', server, restore, plan: { method: 'physical' }, ...manifest },
      { ...tools, ...host },
      { ...inspected, ...found },
    );

  it('not when all fits', () => {
    expect(refusal({})).toBeUndefined();
  });

  it('not where a dump is loaded and there is no tool that would prepare it', () => {
    const logical = { plan: { method: 'logical' }, restore: { ...restore, toolVersion: '0.10.0' } };
    expect(refusal(logical, { 'mariadb-backup': null })).toBeUndefined();
    expect(refusal(logical, { mariadbd: null })).toMatchObject({ name: 'Restore.ToolMissing' });
  });

  it.each([
    [
      'M18',
      { restore: { ...restore, outsideDatadir: ['/fast/t.ibd'] } },
      {},
      {},
      'OutsideDatadir',
      '/fast/t.ibd',
    ],
    ['a tool is missing', {}, { 'mariadb-backup': null }, {}, 'ToolMissing', 'mariadb-backup'],
    ['M23 the server is older', {}, { mariadbd: '10.11.18' }, {}, 'VersionMismatch', '10.11.19 or a later'],
    ['F19 the tool is older', {}, { 'mariadb-backup': '10.11.18' }, {}, 'VersionMismatch', '10.11.18'],
    [
      'M23 its time zone is not here',
      { server: { ...server, variables: { system_zone: 'Middle/Earth' } } },
      {},
      {},
      'ToolMissing',
      'time zone "Middle/Earth"',
    ],
    ['another flavour', { flavour: 'mongodb' }, {}, {}, 'VersionMismatch', 'mongodb'],
    [
      'F67 files are there',
      {},
      {},
      { directoryState: 'not-empty', entries: ['x'] },
      'DirectoryNotEmpty',
      'holds x',
    ],
    ['it is a file', {}, {}, { directoryState: 'not-a-directory' }, 'DirectoryNotEmpty', 'not a directory'],
    ['there is no room', {}, {}, { freeBytes: 99 }, 'NoSpace', 'has 99 bytes free, the restore needs 100'],
    ['the port is taken', {}, {}, { portFree: false }, 'PortTaken', '3310'],
  ])('when %s', (_, manifest, host, found, name, cause) => {
    expect(refusal(manifest, host, found)).toEqual({
      name: `Restore.${name}`,
      cause: expect.stringContaining(cause),
    });
  });

  it('when nobody is there to run it', () => {
    expect(refusal({}, {}, { userExists: false })).toMatchObject({ name: 'Input.Invalid' });
  });
});

describe('a restored server', () => {
  const config = serverConfig(target, { server, backupId: 'b-1', clusterId: 'shop' }, 7);

  it('M16 M17 is cut off: loopback, no replication, no events, no log, read-only, an id of its own', () => {
    for (const line of [
      'bind-address="127.0.0.1"',
      'skip-slave-start',
      'event-scheduler="OFF"',
      'skip-log-bin',
      'read-only="ON"',
      'server-id="7"',
    ]) {
      expect(config.split('\n')).toContain(line);
    }
    expect(config).not.toMatch(/^log[-_]bin/m);
  });

  it('M23 has what its data needs', () => {
    expect(config).toContain('innodb_page_size="32768"');
    expect(config).toContain('collation_server="utf8mb4_general_ci"');
  });

  it('has temporary files of its own, so that its start removes none of a server beside it', () => {
    expect(config).toContain('tmpdir="/data/new/.holdfast-tmp"');
    expect(config).toContain('ignore-db-dirs=".holdfast-tmp"');
  });

  it('M23 loads the libraries that its tables and accounts need, by plain names only', () => {
    const variables = { plugin_libraries: 'ha_archive.so,../evil.so,auth_ed25519.so' };
    const text = serverConfig(target, { server: { ...server, variables }, backupId: 'b', clusterId: 'c' }, 7);
    expect(text.split('\n').filter((line) => line.startsWith('plugin-load'))).toEqual([
      'plugin-load-add="ha_archive.so"',
      'plugin-load-add="auth_ed25519.so"',
    ]);
  });

  it('M23 takes over what statements of the log rely on', () => {
    const variables = {
      default_storage_engine: 'Aria',
      group_concat_max_len: '9',
      old_mode: 'UTF8_IS_UTF8MB3',
    };
    const text = serverConfig(target, { server: { ...server, variables }, backupId: 'b', clusterId: 'c' }, 7);
    for (const [name, value] of Object.entries(variables)) expect(text).toContain(`${name}="${value}"`);
  });

  it('M23 has an empty sql_mode and old_mode where the old one had', () => {
    const variables = { sql_mode: '', old_mode: '' };
    const text = serverConfig(target, { server: { ...server, variables }, backupId: 'b', clusterId: 'c' }, 7);
    expect(text).toContain('sql_mode=""');
    expect(text).toContain('old_mode=""');
  });

  it('gets no line that a manifest smuggles into a value', () => {
    const variables = { sql_mode: 'ANSI"\nplugin-load=evil' };
    const text = serverConfig(target, { server: { ...server, variables }, backupId: 'b', clusterId: 'c' }, 7);
    expect(text.split('\n').filter((line) => line.startsWith('plugin-load'))).toEqual([]);
  });

  it('M16 never takes the id of the old one', () => {
    const ids = [100 / 4294967294, 100 / 4294967294, 0.5];
    expect(newServerId(101, () => ids.shift()!)).toBe(2147483648);
  });

  it('has its socket in its directory unless the path is too long for one', () => {
    expect(socketPath(target, 's.sock')).toBe('/data/new/s.sock');
    expect(socketPath({ ...target, directory: `/${'x'.repeat(200)}` }, 's.sock')).toBe(
      '/run/holdfast-restored/3310/s.sock',
    );
  });

  it('F69 is put in place with what makes it startable last', () => {
    expect(placingOrder(['mysql', 'shop', 'ibdata1'])).toEqual(['ibdata1', 'shop', 'mysql']);
  });

  it.each([
    'master.info',
    'master-eu.info',
    'relay-log.info',
    'multi-master.info',
    'm-relay-bin.000002',
    'm-relay-bin.index',
    'auto.cnf',
  ])('M17 loses %s', (name) => {
    expect(isReplicationLeftover(name)).toBe(true);
  });

  it.each(['ibdata1', 'mysql', 'shop', 'aria_log.00000001', 'relay', 'info'])('keeps %s', (name) => {
    expect(isReplicationLeftover(name)).toBe(false);
  });
});

describe('what prepare says', () => {
  it('M19 counts when something is missing, although it ends well', () => {
    const line =
      '2026-11-23  5:44:39 0 [Warning] InnoDB: Tablespace 5 was not found at ./shop/t.ibd when restoring a (partial?) backup. All redo log for this file will be ignored!';
    expect(prepareWarnings(['[00] completed OK!', line])).toEqual([line]);
  });

  it('M19 counts too when the table is called like something harmless', () => {
    const line =
      '2026-11-23  5:44:39 0 [Warning] InnoDB: Tablespace 5 was not found at ./shop/deprecated.ibd when restoring a (partial?) backup. All redo log for this file will be ignored!';
    expect(prepareWarnings([line])).toEqual([line]);
  });

  it('does not count for tables dropped or renamed since the checkpoint, nor for words in their names', () => {
    expect(
      prepareWarnings([
        '2026-11-23  6:33:48 0 [Note] InnoDB: At LSN: 47469: unable to open file ./o/drop1.ibd for tablespace 6',
        '[00] 2026-11-23 06:33:48 Renaming ./o/corrupt.new to ./o/corrupt.ibd',
      ]),
    ).toEqual([]);
  });

  it('does not count when it is about the process', () => {
    expect(
      prepareWarnings([
        '[00] 2026-11-23 05:43:22 open files limit requested 0, set to 20000',
        '2026-11-23  5:44:39 0 [Note] InnoDB: To recover: 30 pages',
        '2026-11-23  5:44:39 0 [Warning] mariadb-backup: io_uring_queue_init() failed',
      ]),
    ).toEqual([]);
  });
});

describe('the option file within a backup', () => {
  it('has what the tool writes there', () => {
    const text =
      '# The server\n[mysqld]\ninnodb_data_file_path=ibdata1:12M;ibdata2:12M:autoextend\ninnodb_undo_directory=./\n\n';
    expect(foreignOptions(text)).toEqual([]);
  });

  it.each([
    'plugin_load=evil',
    'plugin_dir="/data/new/x"',
    'innodb_data_home_dir=/var/lib/mysql',
    '!include /etc/x',
  ])('is not followed with %s', (line) => {
    expect(foreignOptions(`[mysqld]\n${line}\n`)).toEqual([line]);
  });
});

describe('CHECK TABLE', () => {
  const row = (Msg_type: string, Msg_text: string) => ({ Table: 't', Op: 'check', Msg_type, Msg_text });

  it('F73 is believed by its rows', () => {
    expect(checkFault([row('status', 'OK')])).toBeUndefined();
    expect(checkFault([row('warning', '1 client is using it'), row('status', 'OK')])).toBeUndefined();
    expect(
      checkFault([row('note', "The storage engine for the table doesn't support check")]),
    ).toBeUndefined();
    expect(checkFault([row('Error', 'Tablespace is missing'), row('status', 'OK')])).toBe(
      'Tablespace is missing',
    );
    expect(checkFault([row('error', 'Corrupt')])).toBe('Corrupt');
    expect(checkFault([row('status', 'Operation failed')])).toBe('Operation failed');
    expect(checkFault([])).toBeDefined();
  });
});
