import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { filesIdentity, otherLsn, otherOrigin } from '../../../../../runner/engines/mysql/origin.ts';

let root: string;
let datadir: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'origin-'));
  datadir = join(root, 'data');
  mkdirSync(datadir);
  writeFileSync(join(datadir, 'ibdata1'), 'pages');
});
afterEach(() => rmSync(root, { recursive: true }));

const identity = (variables: Record<string, string> = { innodb_data_file_path: 'ibdata1:12M:autoextend' }) =>
  filesIdentity({ datadir, variables });

describe('what tells the files of a data directory from others', () => {
  it('stays the same while the server writes them, and where the directory is moved on its disk', async () => {
    const before = await identity();
    appendFileSync(join(datadir, 'ibdata1'), 'more pages');
    writeFileSync(join(datadir, 'ib_logfile0'), 'redo');
    expect(await identity()).toBe(before);
    renameSync(datadir, `${datadir}-moved`);
    renameSync(`${datadir}-moved`, datadir);
    expect(await identity()).toBe(before);
  });

  it('M15: is another one for a copy that is put in their place under the same names', async () => {
    const before = await identity();
    execFileSync('cp', ['-a', datadir, `${datadir}-copy`]);
    rmSync(datadir, { recursive: true });
    renameSync(`${datadir}-copy`, datadir);
    expect(await identity()).not.toBe(before);
  });

  it('is that of the first file wherever it lies, else of the directory', async () => {
    const elsewhere = join(root, 'spaces');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'first'), '');
    const variables = { innodb_data_home_dir: elsewhere, innodb_data_file_path: 'first:10M;second:10M' };
    const found = await identity(variables);
    expect(found).not.toBe(await identity());
    expect(await identity({ innodb_data_file_path: `${elsewhere}/first:10M` })).toBe(found);
    expect(await identity({ innodb_data_file_path: 'gone:10M' })).toMatch(/^\d+:\d+$/);
  });
});

describe('an incremental', () => {
  const origin = { uuid: 'u', serverId: 2, datadir: '/data', files: '1:2' };
  const increment = {
    links: ['b-0'],
    fromLsn: '100',
    origin,
    serverVersion: '10.11.6',
    toolVersion: '10.11.6',
  };

  it('M23: needs the server, files and versions of its parent', () => {
    const found = { origin, serverVersion: '10.11.6', toolVersion: '10.11.6' };
    expect(otherOrigin(increment, found)).toBeUndefined();
    const other = (change: object) => otherOrigin(increment, { ...found, ...change });
    expect(other({ origin: { ...origin, uuid: 'v' } })).toBe(
      'the server was u when the parent was taken and is v now',
    );
    expect(other({ origin: { ...origin, serverId: 3 } })).toContain('the server id was 2');
    expect(other({ origin: { ...origin, datadir: '/x' } })).toContain('the data directory was /data');
    expect(other({ origin: { ...origin, files: '1:3' } })).toContain('the files in the data directory');
    expect(other({ serverVersion: '10.11.7' })).toContain('the version of the server was 10.11.6');
    expect(other({ toolVersion: '10.11.7' })).toContain('the version of the tool was 10.11.6');
  });

  it('begins where its parent ends and goes forward', () => {
    const said = { backupType: 'incremental', fromLsn: '100', toLsn: '200', lastLsn: '210' };
    expect(otherLsn(said, increment)).toBeUndefined();
    expect(otherLsn({ ...said, toLsn: '100', lastLsn: '100' }, increment)).toBeUndefined();
    expect(otherLsn({ ...said, fromLsn: '99' }, increment)).toBe('it begins at LSN 99, where 100 is due');
    expect(otherLsn({ ...said, toLsn: '99' }, increment)).toContain('stands at LSN 99 (210), before the 100');
    expect(otherLsn({ ...said, backupType: 'full-backuped' }, increment)).toContain('type full-backuped');
    expect(otherLsn(undefined, increment)).toContain('did not say');
    expect(otherLsn(undefined, undefined)).toBeUndefined();
  });

  it('compares LSNs as the 64 bits that they are', () => {
    const large = { ...increment, fromLsn: '9007199254740993' };
    const said = {
      backupType: 'incremental',
      fromLsn: '9007199254740993',
      toLsn: '9007199254740992',
      lastLsn: '9007199254740994',
    };
    expect(otherLsn(said, large)).toContain('before the 9007199254740993');
  });
});
