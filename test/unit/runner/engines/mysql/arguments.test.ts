import { describe, expect, it } from 'vitest';
import {
  type BackupArguments,
  backupArguments,
  prepareArguments,
} from '../../../../../runner/engines/mysql/arguments.ts';
import { redactOptions } from '../../../../../runner/engines/mysql/manifest-facts.ts';

const options: BackupArguments = {
  defaultsFile: '/run/holdfast/j/client.cnf',
  address: { socket: '/run/mysqld/s.sock' },
  datadir: '/var/lib/mysql',
  extraLsnDir: '/run/holdfast/j/lsn',
  targetDir: '/run/holdfast/j/tool',
  threads: 2,
  checkpointFirst: false,
  replica: false,
};

describe('mariadb-backup', () => {
  it('gets its option file first, since it would ignore it anywhere else', () => {
    expect(backupArguments(options)[0]).toBe('--defaults-file=/run/holdfast/j/client.cnf');
    expect(prepareArguments('/d', 1, '/t')[0]).toBe('--defaults-file=/d/backup-my.cnf');
  });

  it('M10 M11 gets no option that does nothing, fails on a busy server or leaves the applier stopped', () => {
    const all = backupArguments({ ...options, checkpointFirst: true, replica: true }).join(' ');
    expect(all).not.toMatch(/ftwrl|kill-long|backup-locks|rsync|safe-slave|compress|password|user/);
  });

  it('has temporary files where no server has its own, so that nobody removes them and nobody is robbed of theirs', () => {
    expect(backupArguments(options)).toContain(`--tmpdir=${options.targetDir}`);
    expect(prepareArguments('/d', 1, '/t')).toContain('--tmpdir=/t');
  });

  it('M25 makes a checkpoint first only where the plan says so', () => {
    expect(backupArguments(options)).not.toContain('--innodb-log-checkpoint-now');
    expect(backupArguments({ ...options, checkpointFirst: true })).toContain('--innodb-log-checkpoint-now');
  });

  it('notes where a replica stood with its source', () => {
    expect(backupArguments({ ...options, replica: true })).toContain('--slave-info');
  });

  it('goes over TCP to an address, also when that is localhost', () => {
    const args = backupArguments({ ...options, address: { host: 'localhost', port: 3307 } });
    expect(args).toEqual(expect.arrayContaining(['--host=localhost', '--port=3307', '--protocol=tcp']));
  });
});

describe('options of a server in a manifest', () => {
  it('hold no passwords or keys', () => {
    const printed = [
      '--socket=/run/s.sock',
      '--master_password=x',
      '--ssl_key=/etc/key.pem',
      '--file_key_management_filekey=secret:abc',
      'stray',
      '',
    ];
    expect(redactOptions(printed)).toEqual([
      '--socket=/run/s.sock',
      '--master_password=<removed>',
      '--ssl_key=<removed>',
      '--file_key_management_filekey=<removed>',
    ]);
  });
});
