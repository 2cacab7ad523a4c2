import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import { freePort } from '../../infra/local/wait.ts';
import type { EngineContext } from '../../runner/engines/engine.ts';
import { type ReplayPlace, withReplayPlace } from '../../runner/engines/mysql/replay/place.ts';
import { ownAccount } from '../../runner/engines/mysql/replay/prove-and-replay.ts';
import { type StagedAccount, withStagedServer } from '../../runner/engines/mysql/restore/staged-server.ts';
import type { Session } from '../../runner/engines/mysql/session.ts';
import { findAccount } from '../../runner/host/accounts.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import type { ReplayFlavour } from './replay-flavours.ts';
import type { Stand } from './stand.ts';

const account = findAccount('mysql')!;
const memoryMiB = 512;

/** A data directory as it was before the log, and the log. */
export type Logged = {
  of: ReplayFlavour;
  base: string;
  files: { path: string; name: string }[];
  until: MysqlPosition;
  checksum: string;
};

/** What every server of this bench has: as a restore's target while it replays. */
const target = ({ replays, flavour }: ReplayFlavour, place: { relay: string }, workers: number) => [
  ...replays.options(place, memoryMiB, workers),
  '--skip-log-bin',
  ...(flavour === 'mariadb'
    ? ['--read-only', '--skip-slave-start']
    : [
        '--skip-replica-start',
        '--mysqlx=OFF',
        '--secure-file-priv=NULL',
        '--gtid-mode=ON',
        '--enforce-gtid-consistency=ON',
        '--plugin-load-add=auth_socket.so',
      ]),
];

const checksumOf = async (rows: (sql: string) => Promise<Record<string, unknown>[]>) =>
  String((await rows('CHECKSUM TABLE shop.t'))[0]?.Checksum);

/** A server that has written so many transactions of one small statement each. */
export async function makeLog(stand: Stand, of: ReplayFlavour, transactions: number): Promise<Logged> {
  const name = `logged-${of.flavour}`;
  const server = await of.start({
    name,
    directory: join(stand.paths.run, name),
    socket: join(stand.paths.sockets, `${name}.sock`),
    port: await freePort(),
    serverId: 7,
    options: of.options,
    registry: stand.registry,
  });
  const prepare = await server.connect();
  for (const sql of [
    'CREATE DATABASE shop',
    'CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, k INT, note VARCHAR(60), KEY (k))',
    `CREATE PROCEDURE shop.write_small(n INT) BEGIN DECLARE i INT DEFAULT 0; WHILE i < n DO
       IF i % 3 = 2 THEN UPDATE shop.t SET note = CONCAT('changed ', i) WHERE id = 1 + (i * 7919) % (i - i DIV 3);
       ELSE INSERT INTO shop.t (k, note) VALUES (i % 1000, CONCAT('a small row, number ', i)); END IF;
       SET i = i + 1; END WHILE; END`,
    of.resetLog,
  ]) {
    await prepare.query(sql);
  }
  await prepare.end();
  await server.stop();
  const base = join(stand.paths.run, `base-${of.flavour}`);
  const left = /\/(?:binlog\.|auto\.cnf)/;
  cpSync(server.datadir, base, { recursive: true, filter: (path) => !left.test(path) });
  const writing = await of.again(server);
  const connection = await writing.connect();
  stand.say(`writing ${transactions} transactions`);
  await connection.query('CALL shop.write_small(?)', [transactions]);
  const rows = async (sql: string) => (await connection.query(sql))[0] as Record<string, unknown>[];
  const gtid = String((await rows(of.position))[0]?.g).replace(/\s/g, '');
  const checksum = await checksumOf(rows);
  await connection.end();
  await writing.stop();
  const files = readdirSync(server.datadir)
    .filter((name) => /^binlog\.\d+$/.test(name))
    .sort()
    .map((name) => ({ name, path: join(server.datadir, name) }));
  return { of, base, files, until: { kind: 'mysql', flavour: of.flavour, gtid }, checksum };
}

const context = (workDir: string, { path }: ReplayFlavour): EngineContext => ({
  workDir,
  runChild: makeRunChild(path === undefined ? {} : { path }),
  readSecret: async () => '',
  log: () => {},
  progress: () => {},
  signal: new AbortController().signal,
});

let copies = 0;

type Copy = { session: Session; socket: string; directory: string; place: ReplayPlace; as: StagedAccount };

/** Runs a copy of the base as a restore's target, for `work`; checks that it ends with the same rows. */
async function onCopy<T>(
  stand: Stand,
  logged: Logged,
  workers: number,
  work: (copy: Copy) => Promise<T>,
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
  writeFileSync(configFile, `[${logged.of.server}]\nserver-id=77\ntmpdir=${temporary}\n`, { mode: 0o644 });
  const socket = join(staging, 's');
  const of = context(directory, logged.of);
  try {
    return await withReplayPlace(directory, account, async (place) => {
      const as = await ownAccount(place, account, of, logged.of.replays.account);
      const args = target(logged.of, place, workers);
      const program = logged.of.server;
      const server = { configFile, staging, socket, user: 'mysql', context: of, program, args, as };
      return withStagedServer(server, async (session) => {
        for (const sql of logged.of.atNothing) await session.run(sql);
        const result = await work({ session, socket, directory, place, as });
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
  onCopy(stand, logged, 1, async ({ socket, as }) => {
    const began = performance.now();
    const { decoder: decode, client: apply, path = process.env.PATH } = logged.of;
    const env = { PATH: path, LANG: 'C', TZ: 'UTC', MYSQL_PWD: as.password };
    const paths = logged.files.map((file) => file.path);
    const decoder = spawn(decode, ['--no-defaults', ...paths], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    const client = spawn(apply, ['--no-defaults', `-u${as.user}`, `--socket=${socket}`], {
      env,
      stdio: [decoder.stdout, 'ignore', 'inherit'],
    });
    const [[decoded], [applied]] = await Promise.all([once(decoder, 'exit'), once(client, 'exit')]);
    if (decoded !== 0 || applied !== 0) throw new Error(`the pipe ended with ${decoded} and ${applied}`);
    return (performance.now() - began) / 1000;
  });

/** As a restore does it, from the files on. */
export const throughApplier = (stand: Stand, logged: Logged, workers: number): Promise<number> =>
  onCopy(stand, logged, workers, async ({ session, directory, place }) => {
    const { replays, flavour } = logged.of;
    const files = logged.files.map(({ name, path }, i) => {
      const copy = replays.fileAt(place, i + 1, name, logged.until);
      copyFileSync(path, copy);
      chownSync(copy, account.uid, account.gid);
      return { name, path: copy };
    });
    const began = performance.now();
    const from: MysqlPosition = { kind: 'mysql', flavour, gtid: '' };
    await replays.run(
      { files, serverIds: new Set([7]), repeats: false, from, until: logged.until },
      { session, serverId: 77, errors: [], user: 'mysql', account, place, workers, stallSeconds: 120 },
      context(directory, logged.of),
    );
    return (performance.now() - began) / 1000;
  });
