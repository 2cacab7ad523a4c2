import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { ServerPlan } from '../../infra/local/database-server.ts';
import { installServer, startServer } from '../../infra/local/mariadb.ts';
import { freePort } from '../../infra/local/wait.ts';
import type { EngineContext } from '../../runner/engines/engine.ts';
import { archiveFile, withReplayPlace } from '../../runner/engines/mysql/replay/place.ts';
import { ownAccount } from '../../runner/engines/mysql/replay/prove-and-replay.ts';
import {
  mariadbReplay,
  replayMariadb,
  replayOptions,
} from '../../runner/engines/mysql/replay/replay-mariadb.ts';
import { withStagedServer } from '../../runner/engines/mysql/restore/staged-server.ts';
import type { Session } from '../../runner/engines/mysql/session.ts';
import { findAccount } from '../../runner/host/accounts.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import type { Stand } from './stand.ts';

const account = findAccount('mysql')!;
const memoryMiB = 512;

/** A data directory as it was before the log, and the log. */
export type Logged = {
  base: string;
  files: { path: string; name: string }[];
  until: MysqlPosition;
  checksum: string;
};

/** What every server of this bench has: as a restore's target while it replays. */
const target = (place: { relay: string }) => [
  ...replayOptions(place, memoryMiB),
  '--skip-log-bin',
  '--read-only',
  '--skip-slave-start',
];

const checksumOf = async (rows: (sql: string) => Promise<Record<string, unknown>[]>) =>
  String((await rows('CHECKSUM TABLE shop.t'))[0]?.Checksum);

/** A server that has written so many transactions of one small statement each. */
export async function makeLog(stand: Stand, transactions: number): Promise<Logged> {
  const plan: ServerPlan = {
    name: 'logged',
    directory: join(stand.paths.run, 'logged'),
    socket: join(stand.paths.sockets, 'logged.sock'),
    port: await freePort(),
    serverId: 7,
    options: { 'innodb-flush-log-at-trx-commit': '0', 'sync-binlog': '0' },
    registry: stand.registry,
  };
  installServer(plan);
  const first = await startServer(plan);
  const prepare = await first.connect();
  for (const sql of [
    'CREATE DATABASE shop',
    'CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, k INT, note VARCHAR(60), KEY (k))',
    `CREATE PROCEDURE shop.write_small(n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < n DO
       IF i % 3 = 2 THEN UPDATE shop.t SET note = CONCAT('changed ', i) WHERE id = 1 + (i * 7919) % (i - i DIV 3);
       ELSE INSERT INTO shop.t (k, note) VALUES (i % 1000, CONCAT('a small row, number ', i)); END IF;
       SET i = i + 1; END WHILE; END`,
    'RESET MASTER',
  ]) {
    await prepare.query(sql);
  }
  await prepare.end();
  await first.stop();
  const base = join(stand.paths.run, 'base');
  cpSync(first.datadir, base, { recursive: true, filter: (path) => !/\/binlog\./.test(path) });
  const server = await startServer(plan);
  const connection = await server.connect();
  stand.say(`writing ${transactions} transactions`);
  await connection.query('CALL shop.write_small(?)', [transactions]);
  const rows = async (sql: string) => (await connection.query(sql))[0] as Record<string, unknown>[];
  const gtid = String((await rows('SELECT @@gtid_binlog_pos AS g'))[0]?.g);
  const checksum = await checksumOf(rows);
  await connection.end();
  await server.stop();
  const files = readdirSync(server.datadir)
    .filter((name) => /^binlog\.\d+$/.test(name))
    .sort()
    .map((name) => ({ name, path: join(server.datadir, name) }));
  return { base, files, until: { kind: 'mysql', flavour: 'mariadb', gtid }, checksum };
}

const context = (workDir: string): EngineContext => ({
  workDir,
  runChild: makeRunChild(),
  readSecret: async () => '',
  log: () => {},
  progress: () => {},
  signal: new AbortController().signal,
});

let copies = 0;

/** Runs a copy of the base as a restore's target, for `work`; checks that it ends with the same rows. */
async function onCopy<T>(
  stand: Stand,
  logged: Logged,
  work: (session: Session, socket: string, directory: string) => Promise<T>,
): Promise<T> {
  const directory = join(stand.paths.run, `copy-${copies++}`);
  mkdirSync(directory, { mode: 0o755 });
  const staging = join(directory, 'data');
  cpSync(logged.base, staging, { recursive: true });
  const own = (path: string) => {
    chownSync(path, account.uid, account.gid);
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.isDirectory()) own(join(path, entry.name));
      else chownSync(join(path, entry.name), account.uid, account.gid);
    }
  };
  own(staging);
  const temporary = join(directory, 'tmp');
  mkdirSync(temporary, { mode: 0o700 });
  own(temporary);
  const configFile = join(directory, 'my.cnf');
  writeFileSync(configFile, `[mariadbd]\nserver-id=77\ntmpdir=${temporary}\n`, { mode: 0o644 });
  const socket = join(staging, 's');
  const of = context(directory);
  try {
    return await withReplayPlace(directory, account, async (place) => {
      const as = await ownAccount(place, account, of, mariadbReplay.account);
      const server = { configFile, staging, socket, user: 'mysql', context: of, args: target(place), as };
      return withStagedServer(server, async (session) => {
        const result = await work(session, socket, directory);
        const found = await checksumOf((sql) => session.rows(sql, [], 300));
        if (found !== logged.checksum)
          throw new Error(`the rows differ: ${found}, ${logged.checksum} is right`);
        return result;
      });
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** As people do it: the log as text of SQL, through a client. */
export const throughText = (stand: Stand, logged: Logged): Promise<number> =>
  onCopy(stand, logged, async (_session, socket) => {
    const began = performance.now();
    const env = { PATH: process.env.PATH, LANG: 'C', TZ: 'UTC' };
    const paths = logged.files.map(({ path }) => path);
    const decoder = spawn('mariadb-binlog', ['--no-defaults', ...paths], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const client = spawn('mariadb', ['--no-defaults', '-uroot', `--socket=${socket}`], {
      env,
      stdio: [decoder.stdout, 'ignore', 'inherit'],
    });
    const [[decoded], [applied]] = await Promise.all([once(decoder, 'exit'), once(client, 'exit')]);
    if (decoded !== 0 || applied !== 0) throw new Error(`the pipe ended with ${decoded} and ${applied}`);
    return (performance.now() - began) / 1000;
  });

/** As a restore does it, from the files on. */
export const throughApplier = (stand: Stand, logged: Logged, workers: number): Promise<number> =>
  onCopy(stand, logged, async (session, _socket, directory) => {
    const served = join(directory, 'served');
    mkdirSync(served, { mode: 0o755 });
    return withReplayPlace(served, account, async (place) => {
      const files = logged.files.map(({ name, path }, i) => {
        const copy = archiveFile(place, i + 1, name, 'counted');
        copyFileSync(path, copy);
        chownSync(copy, account.uid, account.gid);
        return { name, path: copy };
      });
      const began = performance.now();
      const from: MysqlPosition = { kind: 'mysql', flavour: 'mariadb', gtid: '' };
      await session.run("SET GLOBAL gtid_slave_pos = ''");
      await replayMariadb(
        { files, serverIds: new Set([7]), repeats: false, from, until: logged.until },
        { session, serverId: 77, errors: [], user: 'mysql', account, place, workers, stallSeconds: 120 },
        context(directory),
      );
      return (performance.now() - began) / 1000;
    });
  });
