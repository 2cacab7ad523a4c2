import { describe, expect, it } from 'vitest';
import type { Channel } from '../../../../../runner/engines/mysql/channels.ts';
import {
  ineligibility,
  lagOf,
  type MemberFacts,
  missingPrivileges,
  roleOf,
} from '../../../../../runner/engines/mysql/eligibility.ts';
import { mariadbChannel as channelOf } from '../../../../../runner/engines/mysql/words/mariadb.ts';

const healthy: Channel = {
  name: '',
  receiving: true,
  applying: true,
  lagSeconds: 0,
  delaySeconds: 0,
  filters: [],
  error: '',
};
const facts = (changes: Partial<MemberFacts> = {}): MemberFacts => ({
  memberId: 'm-1',
  version: '10.11.19-MariaDB-log',
  versionComment: 'Debian 12',
  toolVersion: '10.11.19',
  variables: { log_bin: 'ON' },
  channels: [healthy],
  dumpThreads: 0,
  encryption: [],
  grants: ['GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION'],
  datadir: { document: '/var/lib/mysql', server: '/var/lib/mysql' },
  maxReplicaLagSeconds: 300,
  ...changes,
});
const reasonOf = (changes: Partial<MemberFacts>) => ineligibility(facts(changes)).join('; ');

describe('a member may be backed up', () => {
  it('when it is a healthy replica with tool and rights', () => {
    expect(ineligibility(facts())).toEqual([]);
  });

  it.each([
    ['F19 an older tool', { toolVersion: '10.11.18' }, '10.11.19 or a later patch'],
    ['F19 a tool of another series', { toolVersion: '11.4.2' }, 'does not fit'],
    ['F19 no tool', { toolVersion: null }, 'mariadb-backup is missing'],
    [
      'F17 lag over the policy',
      { channels: [{ ...healthy, lagSeconds: 301 }] },
      '301 s behind, the policy allows 300',
    ],
    ['F17 lag that nobody knows', { channels: [{ ...healthy, lagSeconds: null }] }, 'unknown'],
    [
      'F17 a stopped applier',
      { channels: [{ ...healthy, applying: false, error: 'Duplicate entry' }] },
      'not running (applier): Duplicate entry',
    ],
    [
      'M20 one channel of two down',
      { channels: [healthy, { ...healthy, name: 'b', receiving: false }] },
      "'b'",
    ],
    ['M20 filters', { channels: [{ ...healthy, filters: ['Replicate_Do_DB=a'] }] }, 'Replicate_Do_DB=a'],
    ['F17 a delay on purpose', { channels: [{ ...healthy, delaySeconds: 3600 }] }, 'delayed by 3600 s'],
    ['M20 Galera', { variables: { wsrep_on: 'ON' } }, 'Galera'],
    ['a log without files', { variables: { binlog_storage_engine: 'innodb' } }, 'binlog_storage_engine'],
    ['redo archiving', { variables: { innodb_log_archive: 'ON' } }, 'innodb_log_archive'],
    ['another datadir', { datadir: { document: '/a', server: '/b' } }, 'the document says /a'],
    ['missing rights', { grants: ['GRANT USAGE ON *.* TO `b`@`localhost`'] }, 'lacks RELOAD, PROCESS'],
  ] satisfies [string, Partial<MemberFacts>, string][])('but not with %s', (_, changes, reason) => {
    expect(reasonOf(changes)).toContain(reason);
  });

  it('by an account with just what is needed', () => {
    const grant = 'GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO `b`@`localhost`';
    expect(missingPrivileges([grant], false)).toEqual([]);
    expect(missingPrivileges([grant], true)).toEqual(['REPLICATION SLAVE ADMIN', 'REPLICA MONITOR']);
  });
});

describe('a member of MySQL', () => {
  const mysql = (changes: Partial<MemberFacts> = {}) =>
    ineligibility(
      facts({
        version: '8.4.7',
        versionComment: 'MySQL Community Server - GPL',
        toolVersion: '8.4.0-5',
        flavour: 'mysql',
        grants: [
          'GRANT SELECT, RELOAD, PROCESS, LOCK TABLES, REPLICATION CLIENT, SHOW VIEW, EVENT, TRIGGER ON *.* TO `b`@`%`',
          'GRANT BACKUP_ADMIN,REPLICATION_SLAVE_ADMIN ON *.* TO `b`@`%`',
        ],
        redoEnabled: 'ON',
        ...changes,
      }),
    ).join('; ');

  it.each([
    [
      'F19 no tool',
      { toolVersion: null },
      'xtrabackup is missing; the server is 8.4.7, install XtraBackup 8.4',
    ],
    ['F19 a tool of another line', { toolVersion: '8.0.35-30' }, 'one of the line 8.4 is needed'],
    ['F19 a server of no such line', { version: '9.3.0' }, 'the server is of the line 9.3'],
    ['another flavour than its document says', { flavour: 'percona' }, 'document says percona'],
    [
      'MariaDB behind a document of MySQL',
      { version: '10.11.19-MariaDB' },
      'says mysql, the server is 10.11.19',
    ],
    ['M20 membership of a group', { groupState: 'ONLINE' }, 'member of Group Replication (ONLINE)'],
    ['M20 Percona XtraDB Cluster', { variables: { wsrep_on: 'ON' } }, 'Galera'],
    ['no performance schema', { variables: { performance_schema: 'OFF' } }, 'performance_schema=OFF'],
    ['redo that is switched off', { redoEnabled: 'OFF' }, 'redo logging is off'],
    ['MyRocks', { variables: { rocksdb_datadir: './.rocksdb' } }, 'MyRocks'],
    ['M24 a keyring', { encryption: ['component_keyring_file'] }, 'component_keyring_file'],
    [
      'missing rights',
      { grants: ['GRANT SELECT, PROCESS ON *.* TO `b`@`%`'] },
      'lacks BACKUP_ADMIN, RELOAD, LOCK TABLES, REPLICATION CLIENT, SHOW VIEW, EVENT, TRIGGER, REPLICATION_SLAVE_ADMIN',
    ],
  ] satisfies [string, Partial<MemberFacts>, string][])('is not backed up with %s', (_, changes, reason) => {
    expect(mysql()).not.toContain(reason);
    expect(mysql(changes)).toContain(reason);
  });
});

describe('a role', () => {
  it('is told by channels first, then by a log or readers of it', () => {
    const variables = { log_bin: 'OFF' };
    expect(roleOf(facts({ dumpThreads: 3 }))).toBe('replica');
    expect(roleOf(facts({ channels: [] }))).toBe('primary');
    expect(roleOf(facts({ channels: [], variables, dumpThreads: 1 }))).toBe('primary');
    expect(roleOf(facts({ channels: [], variables }))).toBe('standalone');
  });

  it('comes with the largest lag of all channels, or none that can be trusted', () => {
    expect(lagOf([healthy, { ...healthy, lagSeconds: 7 }])).toBe(7);
    expect(lagOf([healthy, { ...healthy, lagSeconds: null }])).toBeNull();
    expect(lagOf([])).toBeNull();
  });
});

describe('a channel', () => {
  it('that is still connecting is not receiving', () => {
    const channel = channelOf({
      Connection_name: 'a',
      Slave_IO_Running: 'Connecting',
      Slave_SQL_Running: 'Yes',
      Seconds_Behind_Master: null,
      Replicate_Ignore_DB: 'tmp',
      Last_IO_Error: 'no route',
      Last_SQL_Error: '',
      SQL_Delay: '0',
    });
    expect(channel).toEqual({
      name: 'a',
      receiving: false,
      applying: true,
      lagSeconds: null,
      delaySeconds: 0,
      filters: ['Replicate_Ignore_DB=tmp'],
      error: 'no route',
    });
  });
});
