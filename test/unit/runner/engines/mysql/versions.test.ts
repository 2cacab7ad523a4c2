import { describe, expect, it } from 'vitest';
import {
  serverMisfit,
  toldVersion,
  toolMisfit,
  versionIn,
  xtrabackupMisfit,
} from '../../../../../runner/engines/mysql/versions.ts';

describe('versions', () => {
  it('are found in what programs print', () => {
    expect(versionIn('mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu')).toBe('10.11.19');
    expect(versionIn('my_print_defaults  Ver 1.8')).toBeNull();
  });

  it('F19 let a tool back up servers of its series up to its own patch', () => {
    expect(toolMisfit('10.11.19-MariaDB-0+deb12u1', '10.11.19')).toBeUndefined();
    expect(toolMisfit('10.11.2-MariaDB', '10.11.19')).toBeUndefined();
    expect(toolMisfit('10.11.20-MariaDB', '10.11.19')).toContain('10.11.20 or a later patch');
  });

  it('are told with the release by XtraBackup, and not by a mysqld that is a mariadbd', () => {
    const said =
      'xtrabackup version 8.0.35-30 based on MySQL server 8.0.35 Linux (x86_64) (revision id: 6beb4b49)';
    expect(toldVersion('xtrabackup', `recognized server arguments: --datadir=/d\n${said}`)).toBe('8.0.35-30');
    expect(toldVersion('xtrabackup', 'xtrabackup version 9.7.1-rc1 based on MySQL server 9.7.1')).toBe(
      '9.7.1-rc1',
    );
    expect(toldVersion('mysqld', 'mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))')).toBe('9.7.4');
    expect(toldVersion('mysqld', 'mysqld  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu')).toBeNull();
  });

  it('F19 let XtraBackup back up every patch of its line, in 8.0 from 8.0.34 on', () => {
    expect(xtrabackupMisfit('8.0.42-0ubuntu0.24.04.2', '8.0.35-30')).toBeUndefined();
    expect(xtrabackupMisfit('8.4.7', '8.4.0-5')).toBeUndefined();
    expect(xtrabackupMisfit('9.7.4-2', '9.7.2-2')).toBeUndefined();
    expect(xtrabackupMisfit('8.0.30', '8.0.30-23')).toContain('8.0.34 or a later patch');
    expect(xtrabackupMisfit('9.7.4', '8.4.0-7')).toContain('one of the line 9.7');
    expect(xtrabackupMisfit('8.4.7', null)).toContain('install XtraBackup 8.4');
    expect(xtrabackupMisfit('5.7.44', '2.4.29')).toContain('known are 8.0, 8.4, 9.7');
  });

  it('M23 let a backup be restored on its series and not on an older patch', () => {
    expect(serverMisfit('10.11.18', '10.11.19')).toBeUndefined();
    expect(serverMisfit('10.11.19', '10.11.18')).toContain('10.11.19 or a later patch');
    expect(serverMisfit('10.6.20', '10.11.19')).toContain('the backup is of 10.6.20');
    expect(serverMisfit('10.6.20', null)).toContain('missing');
  });
});
