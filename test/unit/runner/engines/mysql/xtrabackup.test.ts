import { describe, expect, it } from 'vitest';
import { policySchema } from '../../../../../contract/records/policy.ts';
import { xtrabackupRefused } from '../../../../../contract/records/tool-options-refused.ts';
import {
  mariadbBackupSettingsSchema,
  type XtrabackupSettings,
  xtrabackupSettingsSchema,
} from '../../../../../contract/records/tool-settings.ts';
import { foreignOptions } from '../../../../../runner/engines/mysql/restore/prepare.ts';
import { historyReason } from '../../../../../runner/engines/mysql/settings-reasons.ts';
import { xtrabackup } from '../../../../../runner/engines/mysql/tools/xtrabackup.ts';
import {
  hasNewNames,
  settingsMisfit,
  type XtrabackupArguments,
  xtrabackupArguments,
  xtrabackupPrepareArguments,
  xtrabackupUnpackArguments,
} from '../../../../../runner/engines/mysql/tools/xtrabackup-arguments.ts';
import { xtrabackupByHand } from '../../../../../runner/engines/mysql/tools/xtrabackup-by-hand.ts';
import { readOptions } from '../../../../doubles/xtrabackup/options.ts';

/** Of each line the oldest that is taken and the newest that is known. */
const versions = ['8.0.34-29', '8.0.35-36', '8.4.0-1', '8.4.0-7', '9.7.1-rc1', '9.7.2-2'];
const settings = (changes: object = {}): XtrabackupSettings => xtrabackupSettingsSchema.parse(changes);
const everything = {
  throttle: 40,
  compress: { level: 3 },
  encrypt: { keyFile: '/etc/holdfast/key' },
  readBufferMiB: 16,
  history: 'nightly',
  pageTracking: true,
  registerRedoConsumer: true,
};
const args = (changes: Partial<XtrabackupArguments> = {}) =>
  xtrabackupArguments({
    defaultsFile: '/run/job/client.cnf',
    address: { socket: '/run/mysqld/mysqld.sock' },
    datadir: '/var/lib/mysql',
    extraLsnDir: '/run/job/lsn',
    targetDir: '/run/job/tool',
    threads: 4,
    replica: false,
    toolVersion: '8.4.0-7',
    settings: undefined,
    ddlLockSeconds: 3600,
    keyFile: '/run/job/key',
    ...changes,
  });
const refusal = (given: readonly string[], version: string) => {
  const read = readOptions(given, version);
  return 'error' in read ? read.error : undefined;
};
const warnings = (given: readonly string[], version: string) => {
  const read = readOptions(given, version);
  return 'error' in read ? [read.error] : read.warnings;
};

describe('the arguments of XtraBackup', () => {
  it.each(versions)(
    'are all in the table of options of %s, with everything that a policy can ask for',
    (version) => {
      for (const replica of [true, false]) {
        for (const wanted of [undefined, settings(), settings(everything)]) {
          expect(warnings(args({ toolVersion: version, replica, settings: wanted }), version)).toEqual([]);
        }
      }
      expect(refusal(args({ address: { host: '10.0.0.1', port: 3306 } }), version)).toBeUndefined();
      for (const redoOnly of [true, false]) {
        const prepared = { targetDir: '/d', memoryBytes: 1e9, temporary: '/t', threads: 2, redoOnly };
        expect(warnings(xtrabackupPrepareArguments({ ...prepared, toolVersion: version }), version)).toEqual(
          [],
        );
        const increment = { ...prepared, increment: '/d/inc', toolVersion: version };
        expect(warnings(xtrabackupPrepareArguments(increment), version)).toEqual([]);
      }
      const fifos = { streams: 8, directory: '/run/job/fifo' };
      expect(warnings(args({ toolVersion: version, fifos }), version)).toEqual([]);
      for (const unpacking of xtrabackupUnpackArguments('/d', settings(everything), 2, '/run/job/key')) {
        expect(refusal(unpacking, version)).toBeUndefined();
      }
    },
  );

  it('M10 M11 never hold an option that does harm, and every wait is finite', () => {
    const all = [args(), args({ replica: true }), args({ settings: settings(everything) })].flat().join('\n');
    expect(all).not.toMatch(
      /--(?:no-lock|no-backup-locks|lock-ddl=OFF|lock-ddl-per-table|no-server-version-check|kill-long|rsync|safe-slave-backup|force-non-empty|skip-strict|galera-info)/,
    );
    expect(args()).toEqual(
      expect.arrayContaining([
        '--lock-ddl-timeout=3600',
        '--backup-lock-timeout=3600',
        '--ftwrl-wait-timeout=60',
        '--ftwrl-wait-threshold=60',
      ]),
    );
    expect(args()[0]).toBe('--defaults-file=/run/job/client.cnf');
    expect(args().join()).not.toMatch(/password|user=/);
  });

  it('write a history on primaries only, since on a replica it would be a transaction of its own', () => {
    const wanted = settings({ history: 'nightly' });
    expect(args({ settings: wanted })).toContain('--history=nightly');
    expect(args({ settings: wanted, replica: true }).join()).not.toContain('--history');
    expect(args({ replica: true })).toContain('--slave-info');
  });

  it('need rights for a history, which are looked for before the tool has copied all and finds them missing', () => {
    const policy = { xtrabackup: settings({ history: 'nightly' }), mariadbBackup: { history: 'nightly' } };
    const lacking = (family: 'mysql' | 'mariadb', version: string, ...grants: string[]) =>
      historyReason(policy, { family, version }, ['GRANT SELECT, RELOAD ON *.* TO `b`@`%`', ...grants]);
    expect(lacking('mysql', '8.4.7')).toEqual([
      'xtrabackup.history: the account lacks INSERT, CREATE, ALTER ON `PERCONA_SCHEMA`.*',
    ]);
    const granted = 'GRANT INSERT, CREATE, ALTER ON `PERCONA\\_SCHEMA`.* TO `b`@`%`';
    expect(lacking('mysql', '9.7.4', granted)).toEqual([]);
    expect(lacking('mariadb', '10.11.6').join()).toContain('mariadbBackup.history: the account lacks');
    expect(lacking('mariadb', '10.11.6').join()).toContain('ON `mysql`');
    expect(lacking('mariadb', '10.6.20').join()).toContain('ON `PERCONA_SCHEMA`');
    expect(historyReason({}, { family: 'mysql', version: '8.4.7' }, [])).toEqual([]);
  });

  it('block DDL at the end only where the policy and the tool say so', () => {
    const reduced = settings({ lockDdl: 'reduced' });
    expect(args({ settings: reduced })).toContain('--lock-ddl=REDUCED');
    expect(args()).toContain('--lock-ddl=ON');
    for (const version of ['8.4.0-5', '9.7.1-rc1', '9.7.2-2']) {
      expect(settingsMisfit(reduced, version)).toBeUndefined();
      expect(refusal(args({ settings: reduced, toolVersion: version }), version)).toBeUndefined();
    }
    for (const version of ['8.0.35-36', '8.4.0-4']) {
      expect(settingsMisfit(reduced, version)).toContain(`this is ${version}`);
      expect(refusal(args({ settings: reduced, toolVersion: version }), version)).toContain('REDUCED');
    }
    expect(settingsMisfit(settings(), '8.0.35-36')).toBeUndefined();
  });

  it('have the names that 9.7.2-2 gave them from there on', () => {
    const step = (toolVersion: string) =>
      xtrabackupPrepareArguments({
        targetDir: '/d',
        memoryBytes: 1,
        temporary: '/t',
        threads: 1,
        toolVersion,
        redoOnly: true,
        increment: '/i',
      }).slice(-2);
    expect(step('8.4.0-7')).toEqual(['--apply-log-only', '--incremental-dir=/i']);
    expect(step('9.7.1-rc1')).toEqual(['--apply-log-only', '--incremental-dir=/i']);
    expect(step('9.7.2-2')).toEqual(['--apply-redo-only', '--prepare-incremental-from-dir=/i']);
    expect(['9.7.3-1', '10.0.0-1', '8.0.35-36'].map(hasNewNames)).toEqual([true, true, false]);
    expect(refusal(['--prepare', '--apply-log-only', '--apply-redo-only'], '9.7.2-2')).toContain(
      'pass only one',
    );
    expect(warnings(['--prepare', '--apply-log-only'], '9.7.2-2').join()).toContain('deprecated');
    expect(refusal(['--prepare', '--apply-redo-only'], '8.4.0-7')).toContain('unknown option');
  });

  it('undo encryption before compression, with the key of the policy', () => {
    expect(
      xtrabackupUnpackArguments('/d', settings(everything), 2, '/run/job/key').map((step) => step[1]),
    ).toEqual(['--decrypt=AES256', '--decompress']);
    expect(xtrabackupUnpackArguments('/d', settings(), 2, '')).toEqual([]);
    expect(xtrabackupUnpackArguments('/d', undefined, 2, '')).toEqual([]);
  });
});

describe('the settings of XtraBackup in a policy', () => {
  const policy = (changes: object) =>
    policySchema.safeParse({
      name: 'p',
      schedule: { cron: '0 2 * * *' },
      method: 'physical',
      xtrabackup: changes,
    });

  it.each([
    [{ lockDdl: 'off' }, 'lockDdl'],
    [{ throttle: 0 }, 'throttle'],
    [{ compress: { algorithm: 'quicklz' } }, 'algorithm'],
    [{ compress: { level: 20 } }, 'level'],
    [{ encrypt: { keyFile: 'key' } }, 'keyFile'],
    [{ encrypt: { keyFile: '/a b' } }, 'keyFile'],
    [{ encrypt: {} }, 'keySecret'],
    [{ encrypt: { keyFile: '/k', keySecret: 'k' } }, 'keySecret'],
    [{ encrypt: { keySecret: "k'" } }, 'keySecret'],
    [{ fifoStreams: 1 }, 'fifoStreams'],
    [{ galeraInfo: true }, 'galeraInfo'],
    [{ ftwrlWaitSeconds: 0 }, 'ftwrlWaitSeconds'],
    [{ history: "a'b" }, 'history'],
    [{ pageTracking: true, lockDdl: 'reduced' }, 'pageTracking'],
    [{ safeSlaveBackup: true }, 'safeSlaveBackup'],
  ])('are refused as %o', (changes, field) => {
    const read = policy(changes);
    expect(read.success).toBe(false);
    expect(JSON.stringify(read.error?.issues)).toContain(field);
  });

  it.each(Object.entries(xtrabackupRefused))('refuse %s, saying why', (name, why) => {
    const [issue] = policy({ [name]: true }).error?.issues ?? [];
    expect(issue).toMatchObject({ path: ['xtrabackup'], message: `${name} is not offered: ${why}` });
  });

  it('say of what they never heard of that there is no such setting, and of mariadb-backup what it lacks', () => {
    expect(policy({ turbo: true }).error?.issues[0]?.message).toBe(
      'turbo is not offered: there is no such setting',
    );
    const said = mariadbBackupSettingsSchema.safeParse({ compress: true, encrypt: {} }).error?.issues[0];
    expect(said?.message).toContain('compress is not offered: it has QuickLZ only');
    expect(said?.message).toContain('encrypt is not offered: mariadb-backup has no encryption');
    expect(policy({ lockDdl: 'off' }).error?.issues[0]?.message).toContain('DDL makes a backup that is none');
  });

  it.each(versions)('send %s every option that operators rely on', (version) => {
    const sent = args({
      toolVersion: version,
      replica: true,
      settings: settings(everything),
      fifos: { streams: 2, directory: '/run/job/fifo' },
    });
    const names = sent.map((argument) => argument.split('=')[0]);
    expect(refusal(sent, version)).toBeUndefined();
    // What an operator relies on, on a replica; a history is written on primaries, below.
    expect(names).toEqual(
      expect.arrayContaining([
        '--defaults-file',
        '--datadir',
        '--socket',
        '--slave-info',
        '--ftwrl-wait-timeout',
        '--ftwrl-wait-threshold',
        '--lock-ddl',
        '--lock-ddl-timeout',
        '--backup-lock-timeout',
        '--open-files-limit',
        '--stream',
        '--parallel',
        '--throttle',
        '--compress',
        '--compress-threads',
        '--compress-zstd-level',
        '--encrypt',
        '--encrypt-key-file',
        '--encrypt-threads',
        '--extra-lsndir',
        '--read-buffer-size',
        '--fifo-streams',
        '--fifo-dir',
        '--fifo-timeout',
        '--page-tracking',
        '--register-redo-log-consumer',
      ]),
    );
    expect(args({ toolVersion: version, settings: settings(everything) })).toContain('--history=nightly');
  });

  it('are taken as an operator writes them', () => {
    expect(policy(everything).success).toBe(true);
  });
});

describe('what XtraBackup says', () => {
  it.each([
    [
      '2025-07-28T01:01:33.026489+03:00 0 [Note] [MY-011825] [Xtrabackup] Executing LOCK INSTANCE FOR BACKUP ...',
      'ddl',
    ],
    [
      '2025-07-28T01:01:33.026489+03:00 0 [Note] [MY-011825] [Xtrabackup] Executing LOCK TABLES FOR BACKUP ...',
      'ddl',
    ],
    ['… [Xtrabackup] Starting to backup non-InnoDB tables and files', 'ending-copy'],
    ['… [Xtrabackup] Executing FLUSH TABLES WITH READ LOCK...', 'commit'],
    ['… [Xtrabackup] All tables unlocked', 'unlocked'],
    ['… [Xtrabackup] Executing FLUSH NO_WRITE_TO_BINLOG BINARY LOGS', undefined],
  ])('of its locks: %s', (line, stage) => {
    expect(xtrabackup.stageOf(line)).toBe(stage);
  });

  it('M07 of redo that was overwritten', () => {
    expect(xtrabackup.saysRedoOverrun('[ERROR] log block numbers mismatch:')).toBe(true);
    expect(xtrabackup.saysRedoOverrun('it looks like InnoDB log has wrapped around before')).toBe(true);
    expect(xtrabackup.saysRedoOverrun('[Note] >> log scanned up to (20351037)')).toBe(false);
  });

  it.each([
    ['2025-07-28T01:01:33.415932+03:00 2 [Note] [MY-011825] [Xtrabackup] Streaming ./ibdata1', true],
    ['2025-07-28T01:01:33.484539+03:00 2 [Note] [MY-011825] [Xtrabackup] Done: Streaming ./ibdata1', true],
    [
      '2025-07-28T01:01:33.204235+03:00 1 [Note] [MY-011825] [Xtrabackup] >> log scanned up to (20351037)',
      true,
    ],
    ['2025-07-28T01:01:34.541652+03:00 0 [Note] [MY-011825] [Xtrabackup] Executing UNLOCK INSTANCE', false],
  ])('of files, of which there are many: %s', (line, isFile) => {
    expect(xtrabackup.isFileLine(line)).toBe(isFile);
  });

  it('M19 while it prepares: what is missing counts, what is usual does not', () => {
    const bad = [
      '[ERROR] [MY-011825] [Xtrabackup] innodb_init(): Error occurred',
      '[Warning] [MY-012209] [InnoDB] Tablespace 7 was not found at ./shop/orders.ibd',
      '[Warning] [InnoDB] All redo log for this file will be ignored!',
      '[Warning] [InnoDB] page 4 checksum mismatch',
    ];
    expect(xtrabackup.prepareWarnings(bad)).toEqual(bad);
    expect(
      xtrabackup.prepareWarnings([
        '[Warning] [MY-012091] [InnoDB] Allocated tablespace ID 10 for world/countrylanguage, old maximum was 0',
        '[Note] [MY-011825] [Xtrabackup] cd to /data/corrupt/missing',
        '[Warning] [Xtrabackup] --apply-log-only is deprecated and will be removed in a future release.',
        '[Note] [MY-011825] [Xtrabackup] completed OK!',
      ]),
    ).toEqual([]);
  });
});

describe('the option file of an XtraBackup', () => {
  it('is plain with what it writes itself, and not with what loads or points elsewhere', () => {
    const sound = [
      '# This MySQL options file was generated by XtraBackup.',
      '[mysqld]',
      'innodb_data_file_path=ibdata1:12M:autoextend',
      'innodb_undo_directory=./',
      'server_id=401',
      'server_uuid=d8f3f2b4-e903-11f1-98ee-02fc00000001',
      'redo_log_version=1',
      'master_key_id=0',
    ];
    expect(foreignOptions(sound.join('\n'), xtrabackup)).toEqual([]);
    const foreign = [
      'plugin_load=evil.so',
      'early-plugin-load=keyring_file.so',
      'innodb_data_home_dir=/etc',
      'tmpdir=/tmp',
    ];
    expect(foreignOptions(foreign.join('\n'), xtrabackup)).toEqual(foreign);
  });
});

describe('a restore of an XtraBackup by hand', () => {
  const order = {
    clusterId: 'shop',
    backupId: 'b-1',
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    policy: policySchema.parse({
      name: 'p',
      schedule: { cron: '0 2 * * *' },
      method: 'physical',
      codec: 'none',
      xtrabackup: { compress: {}, encrypt: { keyFile: '/etc/holdfast/key' } },
    }),
  };

  it('applies a chain link by link, and rolls nothing back before its end', () => {
    const { xtrabackup: _, ...policy } = order.policy;
    const increment = {
      fromLsn: '42',
      origin: { uuid: 'u', serverId: 1, datadir: '/d', files: '1-1' },
      serverVersion: '8.4.7',
      toolVersion: '8.4.0-7',
      links: ['b-0'],
    };
    const chain = { ...order, policy, plan: { increment } };
    const commands = xtrabackupByHand(chain, { tool: xtrabackup, version: '8.4.0-7', variables: {} }, 1e9);
    expect(commands.filter((command) => command.includes('--prepare'))).toEqual([
      expect.stringMatching(/--apply-log-only$/),
      expect.stringMatching(/--apply-log-only --incremental-dir=INC$/),
    ]);
    expect(commands.filter((command) => command.startsWith('aws'))).toEqual([
      'aws s3 cp --recursive s3://backups/shop/backups/b-0/volumes volumes',
      'aws s3 cp --recursive s3://backups/shop/backups/b-1/volumes increment',
    ]);
    // Each link has as many streams as it was taken in.
    expect(commands.filter((command) => command.startsWith('for stream in'))).toEqual([
      'for stream in volumes/*; do cat "$stream"/* | runuser -u mysql -- xbstream -x -C DIR || exit; done',
      'for stream in increment/*; do cat "$stream"/* | runuser -u mysql -- xbstream -x -C INC || exit; done',
    ]);
  });

  it('unpacks each of several streams', () => {
    const { xtrabackup: _, ...policy } = { ...order.policy, codec: 'zstd' as const };
    const several = { ...order, policy, plan: { fifoStreams: 4 } };
    expect(
      xtrabackupByHand(several, { tool: xtrabackup, version: '9.7.2-2', variables: {} }, 1e9).slice(0, 4),
    ).toEqual([
      'aws s3 cp --recursive s3://backups/shop/backups/b-1/volumes volumes',
      'mkdir DIR TMP',
      'chown mysql: DIR TMP',
      'for stream in volumes/*; do cat "$stream"/* | zstd -d | runuser -u mysql -- xbstream -x -C DIR || exit; done',
    ]);
  });

  it('unpacks, prepares and starts without an old option file, its own identity or a way out', () => {
    const variables = {
      innodb_page_size: '16384',
      lower_case_table_names: '1',
      innodb_data_file_path: 'ibdata1:12M:autoextend',
    };
    const commands = xtrabackupByHand(order, { tool: xtrabackup, version: '9.7.2-2', variables }, 1e9);
    expect(commands).toEqual([
      'aws s3 cp --recursive s3://backups/shop/backups/b-1/volumes/main volumes/main',
      'mkdir DIR TMP',
      'chown mysql: DIR TMP',
      'cat volumes/main/* | runuser -u mysql -- xbstream -x -C DIR',
      'runuser -u mysql -- xtrabackup --no-defaults --decrypt=AES256 --encrypt-key-file=KEY --target-dir=DIR --parallel=1 --remove-original',
      'runuser -u mysql -- xtrabackup --no-defaults --decompress --target-dir=DIR --parallel=1 --remove-original',
      'runuser -u mysql -- xtrabackup --defaults-file=DIR/backup-my.cnf --prepare --use-memory=1000000000 --target-dir=DIR --tmpdir=TMP',
      'rm -f DIR/auto.cnf DIR/mysqld-auto.cnf',
      expect.stringMatching(
        /^mysqld --no-defaults --innodb-page-size=16384 .*--lower-case-table-names=1 .*--skip-networking .*--persisted-globals-load=OFF .*--skip-replica-start/,
      ),
    ]);
  });
});
