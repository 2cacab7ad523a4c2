import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RestoreOrder } from '../../../../../../contract/records/job.ts';
import type { EngineContext, StoredBackup } from '../../../../../../runner/engines/engine.ts';
import { placeFiles } from '../../../../../../runner/engines/mysql/restore/place.ts';
import { oddVariable, serverConfig } from '../../../../../../runner/engines/mysql/restore/server-config.ts';
import { openToOthers, takeDirectory } from '../../../../../../runner/engines/mysql/restore/target-place.ts';
import { unpack } from '../../../../../../runner/engines/mysql/restore/unpack.ts';
import { findAccount } from '../../../../../../runner/host/accounts.ts';
import { chunkOf, fileOf, smallMariadbStream } from '../../../../../doubles/xbstream-writer.ts';

const nobody = findAccount('nobody')!;

describe('a backup whose host belongs to a thief', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'hostile-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const bring = (stream: Buffer, files: number) => {
    const directory = join(root, 'target');
    const order = {
      clusterId: 'shop',
      backupId: 'b-1',
      target: { hostId: 'mi-0abc', directory, port: 3310, user: 'nobody' },
    } as RestoreOrder;
    const stored = {
      manifest: { flavour: 'mariadb', tool: { exitCode: 0 }, metrics: { files }, restore: { bytes: 1e6 } },
      streams: [{ bytes: stream.length }],
      read: async function* () {
        yield stream;
      },
      done: () => {},
    } as unknown as StoredBackup;
    const context = { signal: new AbortController().signal, progress: () => {} } as unknown as EngineContext;
    return unpack(order, stored, context);
  };

  it('is unpacked where nothing is wrong with it', async () => {
    await bring(smallMariadbStream(), 14);
    expect(existsSync(join(root, 'target/holdfast-partial/ibdata1'))).toBe(true);
  });

  it.each(['my.cnf', 'holdfast-restore.json', '.holdfast-tmp/x', 'mariadb.sock', 'd/t.isl'])(
    'F70 brings no %s, which would be followed by the server or stand for a file elsewhere',
    async (path) => {
      const evil = fileOf(path, '[mariadbd]\ninit-file=/evil\n');
      await expect(bring(Buffer.concat([smallMariadbStream(), evil]), 15)).rejects.toMatchObject({
        name: 'Restore.StreamDamaged',
        message: expect.stringContaining(path),
      });
      expect(existsSync(join(root, 'target/holdfast-partial'))).toBe(false);
    },
  );

  it('F70 brings no my.cnf by a rename either', async () => {
    const evil = Buffer.concat([fileOf('d/y.frm', 'evil'), chunkOf.rename('d/y.frm', 'my.cnf')]);
    await expect(bring(Buffer.concat([smallMariadbStream(), evil]), 15)).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining('my.cnf'),
    });
  });

  it('F69 is placed over nothing that stands in the target', async () => {
    const staging = join(root, 'staging');
    mkdirSync(staging);
    writeFileSync(join(root, 'my.cnf'), 'ours');
    writeFileSync(join(staging, 'my.cnf'), 'evil');
    writeFileSync(join(staging, 'ibdata1'), '');
    await expect(placeFiles(staging, root)).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
    expect(readFileSync(join(root, 'my.cnf'), 'utf8')).toBe('ours');
    expect(existsSync(join(root, 'ibdata1'))).toBe(false);
  });

  it.each([
    ['innodb_data_file_path', '/etc/passwd:10M:autoextend'],
    ['innodb_data_file_path', '../../x:10M'],
    ['sql_mode', 'ANSI"\ninit-file=/x'],
    ['character_set_server', 'utf8mb4\0'],
  ])('has no say over %s beyond a plain value', (name, value) => {
    expect(oddVariable({ innodb_page_size: '16384', [name]: value })).toBe(name);
    const server = { variables: { [name]: value } } as never;
    const target = { hostId: 'mi-0abc', directory: '/data/new', port: 3310, user: 'mysql' };
    expect(serverConfig(target, { server, backupId: 'b', clusterId: 'c' }, 7)).not.toContain(name);
  });

  it.each([
    'ibdata1:12M:autoextend',
    'ibdata1:10M;ibdata2:5M:autoextend:max:50M',
    'STRICT_TRANS_TABLES,ANSI',
    '',
  ])('keeps %j', (value) => {
    expect(oddVariable({ innodb_data_file_path: value })).toBeUndefined();
  });
});

describe('the place of a restore', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'place-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));
  const account = { ...nobody };

  it('may be below /tmp, where a name belongs to who made it', async () => {
    expect(await openToOthers(join(root, 'a/b'), account)).toBeUndefined();
  });

  it('is not one that somebody else has made ready, or stands in his directory', async () => {
    const made = join(root, 'made');
    mkdirSync(made);
    chownSync(made, 12_345, 12_345);
    expect(await openToOthers(made, account)).toContain('uid 12345');
    expect(await openToOthers(join(made, 'deeper/still'), account)).toContain('uid 12345');
    await expect(takeDirectory(join(made, 'deeper'), account)).rejects.toMatchObject({
      name: 'Input.Invalid',
    });
  });

  it('is not reached through a link that somebody else has made', async () => {
    const link = join(root, 'link');
    const real = join(root, 'real');
    mkdirSync(real);
    chownSync(real, 12_345, 12_345);
    symlinkSync(real, link);
    expect(await openToOthers(join(link, 'x'), account)).toContain('uid 12345');
  });

  it('is not in a directory to which everybody may write', async () => {
    const open = join(root, 'open');
    mkdirSync(open);
    chmodSync(open, 0o777);
    expect(await openToOthers(join(open, 'x'), account)).toBe(`everybody may write to ${open}`);
  });

  it('belongs to the runner while it is filled, and the account may only pass', async () => {
    const own = join(root, 'own');
    mkdirSync(own, { mode: 0o700 });
    chownSync(own, account.uid, account.gid);
    await takeDirectory(own, account);
    const { uid, gid, mode } = statSync(own);
    expect([uid, gid, mode & 0o7777]).toEqual([process.getuid?.(), account.gid, 0o710]);
  });
});
