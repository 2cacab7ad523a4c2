import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { MysqlPosition } from '../../../contract/positions/position.ts';
import type { RestoreOrder } from '../../../contract/records/job.ts';
import { processesOfRoot } from '../../../infra/local/process-identity.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { makeMysqlEngine } from '../../../runner/engines/mysql/engine.ts';
import { stagingDirectory, writeRestoreMarker } from '../../../runner/engines/mysql/restore/marker.ts';
import { makeRunChild } from '../../../runner/host/run-child.ts';
import { installTool } from '../../doubles/mariadb-backup/misbehaviour.ts';
import { storeLog } from '../../doubles/stored-log.ts';
import { type Pair, startPair } from '../../journeys/support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  orderOnTop,
  restoreOrderFor,
  stopRestored,
  storedOf,
  type Taken,
  takeBackup,
} from '../../journeys/support/mysql-jobs.ts';
import { onSmallDisk } from '../../journeys/whole-way/small-disk.ts';
import { faultTest } from '../fault-test.ts';
import type { Death, RestoreInput } from './support/restore-and-die.ts';
import { seeded } from './support/seeded.ts';

const seed = 1169;

let pair: Pair;
let taken: Taken;
let increment: Taken;
const restored: string[] = [];
const engine = () => makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });
const context = () => contextIn(pair.directory);
const restore = () => engine().restore;

beforeAll(async () => {
  pair = await startPair('restores');
  await pair.sql(
    pair.primary,
    'CREATE DATABASE shop',
    'USE shop',
    'CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(100))',
    "INSERT INTO shop.orders (note) VALUES ('first'), ('second')",
    'CREATE TABLE shop.noted (id INT PRIMARY KEY, note VARCHAR(100), KEY (note))',
    "INSERT INTO shop.noted SELECT seq, CONCAT('note ', seq) FROM seq_1_to_5000",
  );
  await pair.caughtUp();
  taken = await takeBackup(engine(), backupOrderFor(memberOf(pair.replica)), context());
  increment = await takeBackup(engine(), orderOnTop(memberOf(pair.replica), [taken]), context());
});
afterEach(async () => {
  for (const directory of restored.splice(0)) await stopRestored(directory);
});
afterAll(async () => pair?.close());

async function target(name: string): Promise<RestoreOrder> {
  const directory = join(pair.directory, 'restores', name);
  restored.push(directory);
  return restoreOrderFor(directory, await freePort());
}

/**
 * What a server says that somebody starts on the directory as it was left, but given to the server's account, so that
 * it is no right that is missing; undefined where it goes on running.
 */
function refusalOn(directory: string): string | undefined {
  expect(spawnSync('chown', ['-R', 'mysql:', directory]).status).toBe(0);
  const args = [
    '--no-defaults',
    `--datadir=${directory}`,
    `--socket=${directory}/by-hand.sock`,
    '--skip-networking',
    '--user=mysql',
  ];
  const { status, stderr } = spawnSync('mariadbd', args, { encoding: 'utf8', timeout: 60_000 });
  return status === null || status === 0 ? undefined : stderr;
}

faultTest(
  ['F67'],
  'a directory that holds anything is refused by what it holds, and nothing in it is touched',
  async ({ hit, endState }) => {
    const order = await target('precious');
    const { directory } = order.target;
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'ibdata1'), 'precious');
    const looked = await engine().inspectTarget(
      { kind: 'check', engine: 'mysql', flavour: 'mariadb', target: order.target },
      context(),
    );
    if (looked.entries.includes('ibdata1')) hit('F67');
    const refusal = await restore().preflight(order, taken.manifest, context());
    await endState(() => {
      expect(refusal).toMatchObject({ outcome: 'refused', name: 'Restore.DirectoryNotEmpty' });
      expect(JSON.stringify(refusal)).toContain('ibdata1');
      expect(readdirSync(directory)).toEqual(['ibdata1']);
      expect(readFileSync(join(directory, 'ibdata1'), 'utf8')).toBe('precious');
    });
  },
);

faultTest(
  ['F68'],
  'a disk that is too small is refused before anything is written; one that fills up is left as it was',
  async ({ hit, endState }) => {
    await onSmallDisk(join(pair.directory, 'small'), async (small) => {
      const order = restoreOrderFor(join(small, `restored-${process.pid}`), await freePort());
      const { directory } = order.target;
      const refusal = await restore().preflight(order, taken.manifest, context());
      const untouched = !existsSync(directory);
      const error = await restore()
        .unpack(order, storedOf(taken), context())
        .then(
          () => undefined,
          (thrown: Error) => thrown,
        );
      // Said by the kernel to whoever wrote.
      if ((error?.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC') hit('F68');
      await endState(() => {
        expect(refusal).toMatchObject({ outcome: 'refused', name: 'Restore.NoSpace' });
        expect(untouched).toBe(true);
        expect(error).toMatchObject({ name: 'Restore.NoSpace' });
        expect(readdirSync(directory)).toEqual([]);
      });
    });
  },
);

faultTest(
  ['F68'],
  'a disk that fills up while an incremental is unpacked is left without the base as well',
  async ({ hit, endState }) => {
    await onSmallDisk(join(pair.directory, 'small-chain'), async (small) => {
      const order = restoreOrderFor(join(small, `restored-${process.pid}`), await freePort());
      const { directory } = order.target;
      mkdirSync(stagingDirectory(directory), { recursive: true });
      await writeRestoreMarker(directory, { clusterId: 'shop', backupId: 'b-1', state: 'prepared' });
      const error = await restore()
        .apply?.(order, storedOf(taken), context())
        .then(
          () => undefined,
          (thrown: Error) => thrown,
        );
      if ((error?.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOSPC') hit('F68');
      await endState(() => {
        expect(error).toMatchObject({ name: 'Restore.NoSpace' });
        expect(readdirSync(directory)).toEqual([]);
      });
    });
  },
);

/** The primary's log as an archive has it, to be replayed on the backup. */
async function archived(): Promise<NonNullable<RestoreInput['log']>> {
  await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('late')");
  const [status] = await pair.sql(pair.primary, 'SHOW MASTER STATUS');
  const [written] = await pair.sql(pair.primary, 'SELECT @@gtid_binlog_pos AS g');
  const name = String(status?.File);
  const server = { uuid: 'one', serverId: 101 };
  const stored = storeLog(
    [{ name, path: join(pair.primary.datadir, name), memberId: 'db1', server }],
    100_000,
  );
  const segments = stored.map(({ body, header }) => {
    const path = join(pair.directory, `segment-${header.seq}`);
    writeFileSync(path, body);
    return path;
  });
  const position = { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid: String(written?.g) };
  return {
    segments,
    from: taken.manifest.position as MysqlPosition,
    until: { ...position, file: name, offset: Number(status?.Position) },
  };
}

const random = seeded(seed);
const deaths: readonly [string, () => Death][] = [
  ['while it unpacks', () => ({ after: Math.floor(random() * taken.bytes.length) })],
  ['while it prepares', () => ({ saying: 'preparing' })],
  ['while it applies an incremental', () => ({ applying: true })],
  ['while it compares', () => ({ saying: 'comparing' })],
  ['while it replays a log', () => ({ replaying: true })],
  ['while it puts files in place', () => ({ placing: true })],
];
for (const [when, deathOf] of deaths) {
  faultTest(
    ['F69'],
    `a restore that is killed ${when} leaves no process, and nothing on which a server starts (seed ${seed})`,
    async ({ hit, endState }) => {
      const order = await target(when.replaceAll(' ', '-'));
      const { directory } = order.target;
      const input: RestoreInput = {
        order,
        manifest: taken.manifest,
        stream: join(pair.directory, 'stream'),
        ...(when.includes('incremental')
          ? { increment: { manifest: increment.manifest, stream: join(pair.directory, 'increment') } }
          : {}),
        ...(when.includes('log') ? { log: await archived() } : {}),
        directory: pair.directory,
        strikes: join(pair.directory, `strikes-${order.target.port}`),
        death: deathOf(),
      };
      writeFileSync(input.stream, taken.bytes);
      writeFileSync(join(pair.directory, 'increment'), increment.bytes);
      writeFileSync(input.strikes, '');
      const file = join(pair.directory, `restore-${order.target.port}.json`);
      writeFileSync(file, JSON.stringify(input));
      const script = join(import.meta.dirname, 'support/restore-and-die.ts');
      const end = spawnSync(process.execPath, [script, file], { encoding: 'utf8', timeout: 120_000 });
      if (end.signal === 'SIGKILL' && readFileSync(input.strikes, 'utf8').startsWith('killed ')) hit('F69');
      for (let i = 0; i < 100 && processesOfRoot(directory).length > 0; i++) await sleep(20);
      await endState(async () => {
        expect(processesOfRoot(directory)).toEqual([]);
        expect(existsSync(join(directory, 'mysql'))).toBe(false);
        expect(await restore().preflight(order, taken.manifest, context())).toMatchObject({
          outcome: 'refused',
          name: 'Restore.DirectoryNotEmpty',
        });
        expect(refusalOn(directory)).toMatch(/Can't open and lock privilege tables/);
      });
    },
  );
}

/**
 * Turns bits of a secondary index's page that is not its first, so that the table opens and its first row is read. Of
 * a page of 16 KiB (fil0fil.h, page0page.h): type at 24, previous page at 8, level at 64, index id at 66.
 */
function spoilIndex(file: string): void {
  const bytes = readFileSync(file);
  const pages = Array.from({ length: bytes.length / 16384 }, (_, n) => n * 16384).filter(
    (at) => bytes.readUInt16BE(at + 24) === 17_855 && bytes.readUInt16BE(at + 64) === 0,
  );
  const idOf = (at: number) => bytes.readBigUInt64BE(at + 66);
  const last = pages.map(idOf).sort((a, b) => Number(b - a))[0]!;
  const page = pages.find((at) => idOf(at) === last && bytes.readUInt32BE(at + 8) !== 0xff_ff_ff_ff)!;
  bytes.fill(0x5a, page + 5000, page + 5100);
  writeFileSync(file, bytes);
}

faultTest(
  ['F73'],
  'a table that CHECK TABLE calls corrupt, without an error of its own, ends the restore with its name',
  async ({ hit, endState }) => {
    const order = await target('corrupt');
    const { directory } = order.target;
    await restore().unpack(order, storedOf(taken), context());
    await restore().prepare(order, taken.manifest, context());
    spoilIndex(join(directory, 'holdfast-partial/shop/noted.ibd'));
    const lines: string[] = [];
    const error = await restore()
      .start(
        order,
        taken.manifest,
        contextIn(pair.directory, {
          log: (message, facts) => void lines.push(`${message} ${JSON.stringify(facts ?? {})}`),
        }),
      )
      .then(
        () => undefined,
        (thrown: Error) => thrown,
      );
    const told = lines.find((line) => line.startsWith('a table cannot be read')) ?? '';
    if (/corrupt/i.test(told)) hit('F73');
    await endState(() => {
      expect(error).toMatchObject({ name: 'Restore.TableUnreadable' });
      expect(error?.message).toContain('`shop`.`noted`');
      expect(existsSync(join(directory, 'mysql'))).toBe(false);
    });
  },
);

faultTest(
  ['F74'],
  'a restored server that is sound and empty is not taken for the one that was backed up',
  async ({ hit, endState }) => {
    const quiet = 'SET sql_log_bin = 0';
    // Of now: what else was tested on this server has moved its log since.
    const full = await takeBackup(engine(), backupOrderFor(memberOf(pair.replica)), context());
    await pair.sql(pair.replica, quiet, 'DELETE FROM shop.orders');
    const empty = await takeBackup(engine(), backupOrderFor(memberOf(pair.replica)), context());
    await pair.sql(pair.replica, quiet, "INSERT INTO shop.orders VALUES (1, 'first'), (2, 'second')");
    const rows = empty.manifest.fingerprint.tables.find(({ table }) => table === 'orders')?.rows;
    if (rows === 0 && empty.manifest.position?.gtid === full.manifest.position?.gtid) hit('F74');
    const order = await target('empty');
    await restore().unpack(order, storedOf({ manifest: full.manifest, bytes: empty.bytes }), context());
    await restore().prepare(order, full.manifest, context());
    const error = await restore()
      .start(order, full.manifest, context())
      .then(
        () => undefined,
        (thrown: Error) => thrown,
      );
    await endState(() => {
      expect(error).toMatchObject({ name: 'Restore.FingerprintDiffers' });
      expect(error?.message).toMatch(/orders/);
      expect(existsSync(join(order.target.directory, 'mysql'))).toBe(false);
    });
  },
);

faultTest(
  ['F75'],
  'a host whose tool or server is older than the backup is refused with both versions, before anything is touched',
  async ({ hit, endState }) => {
    const tool = installTool(join(pair.directory, 'double'));
    tool.misbehave({ do: 'version', version: '10.11.1' });
    const order = await target('older');
    const runChild = makeRunChild({ path: `${tool.directory}:/usr/sbin:/usr/bin:/sbin:/bin` });
    const refusal = await restore().preflight(order, taken.manifest, contextIn(pair.directory, { runChild }));
    if (tool.strikes().includes('version 10.11.1')) hit('F75');
    const newer = { ...taken.manifest, server: { ...taken.manifest.server, version: '10.11.99' } };
    const server = await restore().preflight(order, newer, context());
    await endState(() => {
      expect(refusal).toMatchObject({ outcome: 'refused', name: 'Restore.VersionMismatch' });
      expect(JSON.stringify(refusal)).toMatch(/10\.11\.1 .*10\.11\.\d\d/);
      expect(server).toMatchObject({ outcome: 'refused', name: 'Restore.VersionMismatch' });
      expect(JSON.stringify(server)).toContain('10.11.99');
      expect(existsSync(order.target.directory)).toBe(false);
    });
  },
);
