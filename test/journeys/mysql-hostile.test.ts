import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, createConnection, escape as quote } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../infra/local/mariadb.ts';
import { binlogPosition, replicationAccount } from '../../infra/local/replication.ts';
import { freePort } from '../../infra/local/wait.ts';
import { readMarker, writeMarker } from '../../runner/engines/mysql/applier-marker.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { openFingerprint } from '../../runner/engines/mysql/fingerprint/take.ts';
import { withSession } from '../../runner/engines/mysql/session.ts';
import { type Pair, startPair } from './support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  policy,
  restoreOrderFor,
  stopRestored,
  storedOf,
  type Taken,
  takeBackup,
} from './support/mysql-jobs.ts';

describe('servers as they are found', () => {
  let pair: Pair;
  let stateDirectory: string;
  const restored: string[] = [];
  const sessions: Connection[] = [];
  const engine = () => makeMysqlEngine({ stateDirectory });
  const onBoth = async (statement: string) => {
    for (const server of [pair.primary, pair.replica]) await pair.sql(server, 'SET sql_log_bin=0', statement);
  };

  beforeAll(async () => {
    pair = await startPair('hostile');
    stateDirectory = join(pair.directory, 'state');
    for (const library of ['ha_archive', 'ha_federatedx', 'auth_ed25519']) {
      await onBoth(`INSTALL SONAME '${library}'`);
    }
    await pair.sql(pair.primary, 'CREATE DATABASE shop', 'CREATE TABLE shop.t (id INT PRIMARY KEY)');
    await pair.caughtUp();
  });
  afterEach(async () => {
    for (const session of sessions.splice(0)) await session.end();
    for (const directory of restored.splice(0)) await stopRestored(directory);
  });
  afterAll(async () => pair?.close());

  const backUp = (server: Pair['primary'], changes = {}) =>
    takeBackup(engine(), backupOrderFor(memberOf(server), changes), contextIn(pair.directory));

  async function bringBack(taken: Taken, name: string) {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    const order = restoreOrderFor(directory, await freePort());
    const context = contextIn(pair.directory);
    expect(await engine().restore.preflight(order, taken.manifest, context)).toEqual({ outcome: 'ready' });
    await engine().restore.unpack(order, storedOf(taken), context);
    await engine().restore.prepare(order, taken.manifest, context);
    const instance = await engine().restore.start(order, taken.manifest, context);
    const login = async () => {
      const session = await createConnection({ socketPath: instance.socket, user: 'root' });
      sessions.push(session);
      return async (sql: string) => (await session.query(sql))[0] as Record<string, unknown>[];
    };
    return { directory, instance, login };
  }

  it('M19 a backup is restored although tables were dropped, renamed, truncated and rebuilt since the checkpoint', async () => {
    await pair.sql(
      pair.primary,
      'CREATE TABLE shop.corrupt (id INT PRIMARY KEY, note TEXT, FULLTEXT (note))',
      "INSERT INTO shop.corrupt VALUES (1, 'found again')",
      'CREATE TABLE shop.dropped LIKE shop.t',
      'DROP TABLE shop.dropped',
      'CREATE TABLE shop.before_name (id INT PRIMARY KEY)',
      'INSERT INTO shop.before_name VALUES (1)',
      'RENAME TABLE shop.before_name TO shop.after_name',
      'TRUNCATE TABLE shop.t',
      'INSERT INTO shop.t VALUES (1)',
      'ALTER TABLE shop.corrupt ADD COLUMN more INT, ALGORITHM=COPY',
    );
    const { login } = await bringBack(await backUp(pair.primary), 'ddl');
    const query = await login();
    expect(await query("SELECT id FROM shop.corrupt WHERE MATCH (note) AGAINST ('again')")).toEqual([
      { id: 1 },
    ]);
    expect(await query('SELECT id FROM shop.after_name')).toEqual([{ id: 1 }]);
  });

  it('M19 a restore finds it when a file behind a FULLTEXT index is missing', async () => {
    const taken = await backUp(pair.primary);
    const directory = join(pair.directory, 'restores', 'fulltext');
    restored.push(directory);
    const order = restoreOrderFor(directory, await freePort());
    const context = contextIn(pair.directory);
    await engine().restore.unpack(order, storedOf(taken), context);
    await engine().restore.prepare(order, taken.manifest, context);
    const staging = join(directory, 'holdfast-partial');
    const lost = readdirSync(join(staging, 'shop')).find((name) => /^FTS_.*_CONFIG\.ibd$/.test(name))!;
    rmSync(join(staging, 'shop', lost));
    await expect(engine().restore.start(order, taken.manifest, context)).rejects.toMatchObject({
      name: 'Restore.TableUnreadable',
      message: expect.stringContaining(lost.replace('.ibd', '')),
    });
  });

  it('M17 M23 tables and accounts of plugins come back, and no remote table is asked on the way', async () => {
    const failedLogins = async () =>
      Number((await pair.sql(pair.primary, "SHOW STATUS LIKE 'Aborted_connects'"))[0]?.Value);
    await pair.sql(
      pair.primary,
      'CREATE TABLE shop.archive (id INT) ENGINE=ARCHIVE',
      'INSERT INTO shop.archive VALUES (1), (2)',
      "CREATE USER signed@localhost IDENTIFIED VIA ed25519 USING PASSWORD('p ''w')",
      "CREATE USER far@'127.0.0.1' IDENTIFIED BY 'far'",
      "GRANT ALL ON shop.* TO far@'127.0.0.1'",
      `CREATE TABLE shop.far (id INT PRIMARY KEY) ENGINE=FEDERATED CONNECTION='mysql://far:far@127.0.0.1:${pair.primary.port}/shop/t'`,
    );
    await pair.caughtUp();
    await pair.sql(pair.primary, "DROP USER far@'127.0.0.1'");
    await pair.caughtUp();
    const taken = await backUp(pair.replica);
    const before = await failedLogins();
    const { login } = await bringBack(taken, 'plugins');
    expect(await failedLogins()).toBe(before);
    expect(
      await (await login())(
        "SELECT PLUGIN_STATUS AS s FROM information_schema.PLUGINS WHERE PLUGIN_NAME='ed25519'",
      ),
    ).toEqual([{ s: 'ACTIVE' }]);
    expect(await (await login())('SELECT COUNT(*) AS n FROM shop.archive')).toEqual([{ n: 2 }]);
    await pair.sql(pair.primary, 'DROP TABLE shop.far');
  });

  it('a restored primary follows the survivor from where its data stands, and starts again as printed', async () => {
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS', 'INSERT INTO shop.t VALUES (7)');
    const { directory, instance, login } = await bringBack(await backUp(pair.primary), 'it is "back"');
    await pair.sql(pair.primary, 'INSERT INTO shop.t VALUES (8)');
    const query = await login();
    await query(
      `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${pair.primary.port}, MASTER_USER=${quote(replicationAccount.user)},
       MASTER_PASSWORD=${quote(replicationAccount.password)}, MASTER_USE_GTID=slave_pos`,
    );
    await query('START SLAVE');
    const position = await binlogPosition(pair.primary);
    expect(await query(`SELECT MASTER_GTID_WAIT('${position}', 30) AS waited`)).toEqual([{ waited: 0 }]);
    expect(await query('SELECT id FROM shop.t WHERE id IN (7, 8)')).toEqual([{ id: 7 }, { id: 8 }]);
    await query('STOP SLAVE');
    await query('RESET SLAVE ALL');
    for (const session of sessions.splice(0)) await session.end();

    await stopRestored(directory);
    const printed = /start: ((?:env TZ=\S+ )?mariadbd .*)$/.exec(instance.howToReach)?.[1];
    const typed = spawn('sh', ['-c', `exec ${printed}`], { stdio: 'ignore' });
    try {
      await expect
        .poll(
          async () =>
            login().then(
              () => true,
              () => false,
            ),
          { timeout: 30_000 },
        )
        .toBe(true);
      const [reach] = /^mariadb --socket=.* (?=\()/.exec(instance.howToReach)!;
      const answer = spawnSync('sh', ['-c', `${reach} -N -e 'SELECT @@read_only, @@event_scheduler'`], {
        encoding: 'utf8',
      });
      expect(answer.stdout).toBe('1\tOFF\n');
    } finally {
      await stopRestored(directory);
      typed.kill('SIGKILL');
    }
  });

  it('M08 reading a fingerprint leaves no trace in the log of a replica or a primary', async () => {
    await pair.caughtUp();
    const where = async (server: Pair['primary']) => pair.sql(server, 'SHOW MASTER STATUS');
    const before = [await where(pair.primary), await where(pair.replica)];
    expect((await backUp(pair.primary)).manifest.comparison).toBe('exact');
    expect((await backUp(pair.replica)).manifest.comparison).toBe('exact');
    expect([await where(pair.primary), await where(pair.replica)]).toEqual(before);
  });

  it('M08 is not exact where somebody writes past the log', async () => {
    const quiet = await pair.primary.connect();
    await quiet.query('SET sql_log_bin=0');
    await quiet.query('CREATE TABLE IF NOT EXISTS shop.quiet (n INT)');
    let on = true;
    const writing = (async () => {
      while (on) await quiet.query('INSERT INTO shop.quiet VALUES (1)');
    })();
    const { manifest } = await backUp(pair.primary);
    on = false;
    await writing;
    await quiet.query('DROP TABLE shop.quiet');
    await quiet.end();
    expect(manifest.position).toEqual(manifest.fingerprint.position);
    expect(manifest.comparison).toBe('bounded');
  });

  it.each([true, false])(
    'DDL of others waits for what is not read yet only (tables held: %s)',
    async (holdTables) => {
      await pair.sql(pair.primary, 'CREATE TABLE shop.zz_last (id INT PRIMARY KEY)');
      const signal = new AbortController().signal;
      const login = { user: 'root', password: undefined, address: { socket: pair.primary.socket } };
      await withSession(login, signal, async (session) => {
        let changed = 0;
        // Tables are read backwards: after the first one is let go of, most are still to be read.
        const run: typeof session.run = async (sql, ...more) => {
          await session.run(sql, ...more);
          if (!sql.startsWith('ROLLBACK TO') || changed++ > 0) return;
          await pair.sql(pair.primary, 'SET lock_wait_timeout=1', "ALTER TABLE shop.zz_last COMMENT='x'");
        };
        const open = await openFingerprint({ ...session, run }, { applied: false, holdTables });
        await open.finish();
        expect(changed).toBeGreaterThan(2);
      });
      await pair.sql(pair.primary, 'DROP TABLE shop.zz_last');
    },
  );

  it('M11 a member that was promoted after a runner died is backed up again, and follows nobody', async () => {
    const member = memberOf(pair.primary);
    await writeMarker(stateDirectory, {
      v: 1,
      clusterId: 'shop',
      member,
      backupId: 'b-0',
      channels: ['', 'east'],
      stoppedAt: new Date().toISOString(),
      runner: { pid: 2 ** 22, startTime: '0' },
    });
    await engine().sweep(backupOrderFor(member), contextIn(pair.directory));
    expect(await readMarker(stateDirectory, member.datadir)).toBeUndefined();
    expect(await pair.sql(pair.primary, 'SHOW ALL SLAVES STATUS')).toEqual([]);
  });

  it('F15 the backup of somebody else is not killed when ours ends', async () => {
    const other = await pair.primary.connect();
    await other.query('BACKUP STAGE START');
    const order = backupOrderFor(memberOf(pair.primary), { policy: { ...policy, stallSeconds: 5 } });
    const running = takeBackup(engine(), order, contextIn(pair.directory)).catch((error: Error) => error);
    await sleep(7_000);
    await other.query('BACKUP STAGE END');
    await other.end();
    expect(await running).toMatchObject({ name: 'Backup.Stalled' });
  });

  it('production beside a restore keeps its temporary files', async () => {
    const taken = await backUp(pair.replica);
    const kept = ['/tmp', `${pair.primary.directory}/tmp`].map((place) =>
      join(place, '#sql-holdfast-test-1.MAI'),
    );
    for (const file of kept) writeFileSync(file, '');
    await bringBack(taken, 'beside');
    for (const file of kept) {
      expect(existsSync(file)).toBe(true);
      rmSync(file);
    }
  });

  it('a table that the server itself cannot open ends a backup with its name, before the tool starts', async () => {
    await pair.sql(
      pair.primary,
      'SET sql_log_bin=0',
      'CREATE TABLE shop.hollow (id INT PRIMARY KEY)',
      'ALTER TABLE shop.hollow DISCARD TABLESPACE',
    );
    await expect(backUp(pair.primary)).rejects.toMatchObject({
      name: 'Backup.Failed',
      message: expect.stringContaining('hollow'),
    });
    await pair.sql(pair.primary, 'SET sql_log_bin=0', 'DROP TABLE shop.hollow');
  });

  it('F67 a disk that becomes full while a backup is unpacked is told by name, and left as it was', async () => {
    const taken = await backUp(pair.replica);
    const directory = join(pair.directory, 'small');
    mkdirSync(directory);
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=8m,mode=755', 'none', directory]);
    expect(mounted.status).toBe(0);
    try {
      const order = restoreOrderFor(join(directory, 'restored'), await freePort());
      await expect(
        engine().restore.unpack(order, storedOf(taken), contextIn(pair.directory)),
      ).rejects.toMatchObject({ name: 'Restore.NoSpace', message: expect.stringContaining('restored') });
      expect(readdirSync(order.target.directory)).toEqual([]);
    } finally {
      spawnSync('umount', [directory]);
    }
  });

  it('M24 a server with a key management plugin is refused by name, since no restore would have its keys', async () => {
    const keys = join(pair.directory, 'keys');
    writeFileSync(keys, `1;${'a1'.repeat(32)}\n`, { mode: 0o644 });
    await pair.replica.stop();
    const defaults = readFileSync(pair.replica.defaultsFile, 'utf8');
    writeFileSync(
      pair.replica.defaultsFile,
      `${defaults}plugin-load-add=file_key_management\nfile-key-management-filename=${keys}\n`,
    );
    await startServer(pair.replica);
    try {
      const found = await engine().inspect(
        { kind: 'check', engine: 'mysql', flavour: 'mariadb', member: memberOf(pair.replica) },
        contextIn(pair.directory),
      );
      expect(found.ineligible.join()).toContain('encrypted (file_key_management)');
    } finally {
      await pair.replica.stop();
      writeFileSync(pair.replica.defaultsFile, defaults);
    }
  });
});
