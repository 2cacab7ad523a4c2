import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { systemPath } from '../../runner/host/find-command.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import { type DumperPlan, installDumper, type Misbehaviour } from '../doubles/mydumper/misbehaviour.ts';
import { type Pair, startPair } from './support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  restoreOrderFor,
  stopRestored,
  storedOf,
  takeBackup,
} from './support/mysql-jobs.ts';
import { onSmallDisk } from './whole-way/small-disk.ts';

describe('mydumper, of either line and when it breaks', () => {
  let pair: Pair;
  let stateDirectory: string;
  const engine = (spoolDirectory?: string) =>
    makeMysqlEngine({ stateDirectory, ...(spoolDirectory === undefined ? {} : { spoolDirectory }) });

  beforeAll(async () => {
    pair = await startPair('dump-tools');
    stateDirectory = join(pair.directory, 'state');
    mkdirSync(join(pair.directory, 'spool/dumps'), { recursive: true });
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id INT PRIMARY KEY, note VARBINARY(2000), KEY (note))',
      'INSERT INTO shop.orders SELECT seq, CONCAT(seq, REPEAT(CHAR(34), 1500)) FROM shop.seq_1_to_4000',
      'CREATE TABLE shop.few (id INT PRIMARY KEY)',
      'INSERT INTO shop.few VALUES (1), (2)',
    );
    await pair.caughtUp();
  });
  afterAll(async () => pair?.close());

  const order = () => {
    const plain = backupOrderFor(memberOf(pair.replica));
    return { ...plain, plan: { ...plain.plan, method: 'logical' as const, spoolBytes: 64 * 1024 * 1024 } };
  };
  let installed = 0;
  const contextWith = (plan: DumperPlan) => {
    const directory = installDumper(join(pair.directory, `tool-${installed++}`), plan);
    return contextIn(pair.directory, { runChild: makeRunChild({ path: `${directory}:${systemPath}` }) });
  };
  const nothingIsLeft = async () => {
    expect(readdirSync(join(pair.directory, 'spool/dumps'))).toEqual([]);
    const [channel] = await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS');
    expect(channel?.Slave_SQL_Running).toBe('Yes');
  };

  it('of 1.x is called by its own options, and what it makes comes back', async () => {
    const context = contextWith({ version: '1.0.1', how: null });
    const taken = await takeBackup(engine(), order(), context);
    expect(taken.manifest).toMatchObject({
      comparison: 'exact',
      tool: { name: 'mydumper', version: '1.0.1' },
    });
    expect(taken.manifest.tool.arguments).toContain('--sync-thread-lock-mode=SAFE_NO_LOCK');
    expect(taken.rows.map((row) => ('path' in row ? row.path : ''))).toContain('dump/shop.orders.00000.sql');
    const directory = join(pair.directory, 'restored');
    const restore = restoreOrderFor(directory, await freePort());
    await engine().restore.unpack(restore, storedOf(taken), context);
    await engine().restore.prepare(restore, taken.manifest, context);
    const instance = await engine().restore.start(restore, taken.manifest, context);
    expect(compareFingerprints(taken.manifest, instance.fingerprint).differences).toEqual([]);
    await stopRestored(directory);
  });

  it.each<[string, Misbehaviour, string, string]>([
    ['M09 writes no position', { do: 'no-position' }, 'Backup.Incomplete', 'has no position'],
    [
      'did not finish and ends with code 0',
      { do: 'unfinished' },
      'Backup.Incomplete',
      'no finished metadata',
    ],
    [
      'cuts a file and ends with code 0',
      { do: 'cut', table: 'shop.orders', bytes: 7 },
      'Backup.Incomplete',
      'ends within a statement',
    ],
    [
      'loses rows and ends with code 0',
      { do: 'lose', table: 'shop.few' },
      'Backup.Incomplete',
      'shop.few has 0 rows in the dump and 2 in the snapshot',
    ],
    [
      'loses a table and ends with code 0',
      { do: 'undefined', table: 'shop.few' },
      'Backup.Incomplete',
      'shop.few has no file in the dump',
    ],
    ['says an error and ends with code 0', { do: 'fail', code: 0 }, 'Backup.ToolFailed', 'Lost connection'],
    ['F03 fails', { do: 'fail', code: 3 }, 'Backup.ToolFailed', 'with code 3'],
  ])('a tool that %s has made no backup', async (_, how, name, cause) => {
    const dumping = takeBackup(engine(), order(), contextWith({ version: '0.10.0', how }));
    await expect(dumping).rejects.toMatchObject({ name, message: expect.stringContaining(cause) });
    await nothingIsLeft();
  });

  it('M21 a disk that becomes full while the tool writes is named, and nothing stays on it', async () => {
    await onSmallDisk(
      join(pair.directory, 'small'),
      async (small) => {
        const tight = { ...order(), plan: { ...order().plan, spoolBytes: 4 * 1024 * 1024 } };
        let filled = false;
        const dumping = takeBackup(engine(small), tight, contextIn(pair.directory), {
          write: () => {
            // Somebody else takes the room once the backup has looked for it.
            if (!filled) spawnSync('fallocate', ['-l', '79M', join(small, 'filled')]);
            filled = true;
          },
        });
        await expect(dumping).rejects.toMatchObject({
          name: 'Backup.SpoolFull',
          message: expect.stringMatching(/became full while mydumper wrote|bytes free/),
        });
        expect(readdirSync(join(small)).filter((entry) => entry !== 'filled' && entry !== 'dumps')).toEqual(
          [],
        );
      },
      80,
    );
    await nothingIsLeft();
  });
});
