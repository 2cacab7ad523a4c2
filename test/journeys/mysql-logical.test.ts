import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { openFingerprint } from '../../runner/engines/mysql/fingerprint/take.ts';
import { withSession } from '../../runner/engines/mysql/session.ts';
import { systemPath } from '../../runner/host/find-command.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import { realDumper } from '../servers/mydumper.ts';
import { type Pair, startPair, startProbe } from './support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  restoreOrderFor,
  stopRestored,
  storedOf,
  type Taken,
  takeBackup,
} from './support/mysql-jobs.ts';
import { storeBackupInMemory } from './support/stored-jobs.ts';

const real = realDumper();
/** Of 0.10 the tool of this machine. */
const programs = real === undefined ? {} : { runChild: makeRunChild({ path: `${real}:${systemPath}` }) };
/** 1.x gives files of odd names a number, and such names are refused. */
const [oddSchema, oddTable, letters] =
  real === undefined ? ['odd ?b', 't?"x.y-schema', 'ünï 表'] : ['odd -b', 't_x y-schema', 'uni'];

describe('a logical backup of MariaDB with mydumper', () => {
  let pair: Pair;
  let stateDirectory: string;
  const restored: string[] = [];
  const engine = () => makeMysqlEngine({ stateDirectory });
  const applierRuns = async () =>
    (await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS'))[0]?.Slave_SQL_Running === 'Yes';

  beforeAll(async () => {
    pair = await startPair('logical');
    stateDirectory = join(pair.directory, 'state');
    mkdirSync(join(pair.directory, 'spool'));
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop CHARACTER SET utf8mb4',
      'CREATE SEQUENCE shop.numbers START WITH 5 INCREMENT BY 3 CACHE 10 CYCLE MAXVALUE 5000',
      'SELECT NEXTVAL(shop.numbers)',
      `CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB,
         twice INT AS (LENGTH(note) * 2) VIRTUAL, thrice INT AS (LENGTH(note) * 3) STORED, n BIGINT DEFAULT NEXTVAL(shop.numbers),
         KEY by_note (note), KEY by_twice (twice), UNIQUE KEY (id, note), FULLTEXT KEY words (note)) COMMENT='it''s ; "odd"'`,
      String.raw`INSERT INTO shop.orders (note, body) VALUES ('first', REPEAT('y', 1000)), (NULL, NULL), ('', ''),
         ('q''uo"te\\back\nline;\r\0nul\Z ${'`'}tick', X'00FF0A0D5C27221A'), ('),(', '(((1,2),''x'');\n INSERT INTO (')`,
      ...Array.from(
        { length: 8 },
        () => 'INSERT INTO shop.orders (note, body) SELECT note, body FROM shop.orders LIMIT 2000',
      ),
      "INSERT INTO shop.orders (note, body) VALUES ('large', REPEAT('z', 3000000))",
      'CREATE TABLE shop.lines (id INT PRIMARY KEY, order_id BIGINT, KEY (order_id), CONSTRAINT of_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)',
      'INSERT INTO shop.lines VALUES (1, 1), (2, 2)',
      `CREATE DATABASE \`${oddSchema}\` CHARACTER SET latin1 COLLATE latin1_bin`,
      `CREATE TABLE \`${oddSchema}\`.\`${oddTable}\` (id INT PRIMARY KEY, g GEOMETRY, p POINT NOT NULL, b BIT(7), wide BIT(64), j JSON, d DOUBLE,
         ts TIMESTAMP(6) NULL, dc DECIMAL(30,10), da DATE, dt DATETIME(6), tm TIME(3), y YEAR, e ENUM('a','ä'), s SET('x','y'),
         bi BINARY(4), vb VARBINARY(10), z INT ZEROFILL, SPATIAL KEY (p))`,
      `INSERT INTO \`${oddSchema}\`.\`${oddTable}\` VALUES (1, POINT(1,2), POINT(3,4), b'1010', b'1', '{"a":"\\\\"b"}', 1.7976931348623157e308,
         '1970-01-01 00:00:01.000001', -12345678901234567890.1234567891, '2020-02-29', '9999-12-31 23:59:59.999999',
         '-838:59:59', 2155, 'ä', 'x,y', X'00010203', X'FF2700', 42)`,
      `INSERT INTO \`${oddSchema}\`.\`${oddTable}\` (id, p) VALUES (2, POINT(0,0))`,
      "SET SESSION sql_mode=''",
      `CREATE TABLE shop.\`${letters}\` (id INT PRIMARY KEY, v VARCHAR(20) CHARACTER SET latin1, s VARCHAR(20) CHARACTER SET sjis, u VARCHAR(20) CHARACTER SET ucs2)`,
      `INSERT INTO shop.\`${letters}\` VALUES (1, 'é€', '日本', 'ä'), (2, X'8190', X'815C', '')`,
      'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
      'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
      'CREATE TABLE shop.empty (a INT) DEFAULT CHARACTER SET ascii',
      'CREATE TABLE shop.checked (a INT, CONSTRAINT positive CHECK (a > 0))',
      'SET check_constraint_checks=0',
      'INSERT INTO shop.checked VALUES (1)',
      'CREATE FUNCTION shop.plus(a INT) RETURNS INT DETERMINISTIC RETURN a + 1',
      'CREATE VIEW shop.`b latest` AS SELECT MAX(id) AS id FROM shop.orders',
      'CREATE VIEW shop.`a of b` AS SELECT shop.plus(id) AS next FROM shop.`b latest`',
      'CREATE TRIGGER shop.first BEFORE INSERT ON shop.parts FOR EACH ROW BEGIN SET NEW.y = NEW.y + 1; SET NEW.y = NEW.y - 1; END',
      'CREATE TRIGGER shop.another BEFORE INSERT ON shop.parts FOR EACH ROW PRECEDES first SET NEW.y = NEW.y',
      'CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.empty',
      'SET GLOBAL event_scheduler=OFF',
      "CREATE EVENT shop.soon ON SCHEDULE AT NOW() + INTERVAL 3 SECOND COMMENT 'late' DO DELETE FROM shop.empty",
      'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
      'INSERT INTO shop.beat VALUES (0, NOW(6))',
      "CREATE USER app@'%' IDENTIFIED BY 'pw'",
      "GRANT SELECT, INSERT ON shop.* TO app@'%'",
      "GRANT UPDATE (note) ON shop.orders TO app@'%'",
      'CREATE ROLE reader',
      'GRANT SELECT ON shop.* TO reader',
      "GRANT reader TO app@'%'",
      "SET DEFAULT ROLE reader FOR app@'%'",
    );
    await pair.sql(
      pair.primary,
      "SET SESSION sql_mode='ANSI_QUOTES,PIPES_AS_CONCAT', NAMES latin1",
      `CREATE DEFINER=nobody@nowhere PROCEDURE shop.odd(IN a INT) COMMENT 'c' BEGIN SELECT 'x;' || "a"; /* $$ ; */ END`,
    );
    await pair.caughtUp();
  });
  afterEach(async () => {
    for (const directory of restored.splice(0)) await stopRestored(directory);
    expect(readdirSync(join(pair.directory, 'spool/dumps'))).toEqual([]);
  });
  afterAll(async () => pair?.close());

  const orderFor = (server: Pair['primary']) => {
    const order = backupOrderFor(memberOf(server));
    return { ...order, plan: { ...order.plan, method: 'logical' as const, spoolBytes: 256 * 1024 * 1024 } };
  };

  const bringBack = async (taken: Taken, name: string) => {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    const order = restoreOrderFor(directory, await freePort());
    const context = contextIn(pair.directory, programs);
    expect(await engine().restore.preflight(order, taken.manifest, context)).toEqual({ outcome: 'ready' });
    await engine().restore.unpack(order, storedOf(taken), context);
    await engine().restore.prepare(order, taken.manifest, context);
    return { order, instance: await engine().restore.start(order, taken.manifest, context) };
  };

  it('M08 M09 of a replica stands at one position while the primary is written to, and everything comes back', async () => {
    const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    const lines: string[] = [];
    const taken = await takeBackup(
      engine(),
      orderFor(pair.replica),
      contextIn(pair.directory, programs, lines),
    );
    const { commits } = await writer.stop();
    expect(commits).toBeGreaterThan(10);
    const { manifest } = taken;
    expect(manifest).toMatchObject({ comparison: 'exact', tool: { name: 'mydumper' } });
    expect(manifest.position).toEqual(manifest.fingerprint.position);
    expect(manifest.server.accounts).toMatchObject({
      in: 'holdfast/4-accounts.sql',
      names: expect.arrayContaining(["'app'@'%'", "'reader'", "'root'@'localhost'"]),
    });
    expect(manifest.metrics.applierStoppedSeconds).toBeGreaterThan(0);
    expect(await applierRuns()).toBe(true);

    const { order, instance } = await bringBack(taken, 'replica');
    expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
    expect(
      readdirSync(order.target.directory).filter((name) => /partial|loading|definitions/.test(name)),
    ).toEqual([]);
    const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
    const [rows] = await connection.query('SELECT * FROM shop.`a of b`');
    expect(rows).toHaveLength(1);
    await connection.end();
  });

  it('of a primary holds commits for a moment only, and is exact although others write', async () => {
    const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    const taken = await takeBackup(engine(), orderFor(pair.primary), contextIn(pair.directory, programs));
    const { slowestMs } = await writer.stop();
    expect(slowestMs).toBeLessThan(2000);
    const { manifest } = taken;
    expect(manifest.comparison).toBe('exact');
    expect(manifest.metrics.lockSeconds).toBeGreaterThan(0);
    expect(manifest.position).toMatchObject({ file: expect.any(String), gtid: expect.any(String) });
    const { instance } = await bringBack(taken, 'primary');
    expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
  });

  it('comes back by hand, by the commands of its manifest as they are printed', async () => {
    const taken = await takeBackup(engine(), orderFor(pair.replica), contextIn(pair.directory, programs));
    const [fetch, ...commands] = taken.manifest.restore.byHand;
    expect(fetch).toContain('aws s3 cp --recursive');
    const here = join(pair.directory, 'by-hand');
    mkdirSync(join(here, 'volumes/main'), { recursive: true });
    writeFileSync(join(here, 'volumes/main/000000'), taken.bytes);
    const server = await pair.another('by-hand', { 'skip-log-bin': '', 'max-allowed-packet': '1G' });
    writeFileSync(join(here, '.my.cnf'), `[client]\nsocket=${server.socket}\n`);
    for (const command of commands) {
      const ended = spawnSync('/bin/sh', ['-c', command.replaceAll('DIR', 'unpacked')], {
        cwd: here,
        encoding: 'utf8',
        env: { PATH: process.env.PATH, HOME: here, LC_ALL: 'C.UTF-8' },
      });
      expect([command, ended.status, ended.stderr]).toEqual([command, 0, '']);
    }
    const login = { user: 'root', password: undefined, address: { socket: server.socket } };
    const { signal } = new AbortController();
    await withSession(login, signal, async (session) => {
      const like = taken.manifest.fingerprint;
      const open = await openFingerprint(session, { applied: false, like, holdTables: false });
      const found = await open.finish();
      const { differences } = compareFingerprints(taken.manifest, found);
      // Accounts are made from statements, which do not say all that the server's own rows say.
      expect(differences.filter((difference) => difference !== 'accounts or grants differ')).toEqual([]);
      const grants = await session.rows("SHOW GRANTS FOR app@'%'");
      expect(grants.map((row) => Object.values(row)[0])).toEqual(
        (await pair.sql(pair.replica, "SHOW GRANTS FOR app@'%'")).map((row) => Object.values(row)[0]),
      );
    });
  });

  it('one table of a dump is brought beside the live one, and only its files are read', async () => {
    await pair.sql(
      pair.primary,
      'CREATE TABLE IF NOT EXISTS shop.ballast (id INT PRIMARY KEY, v VARBINARY(1000))',
      'INSERT IGNORE INTO shop.ballast SELECT seq, RANDOM_BYTES(1000) FROM shop.seq_1_to_30000',
    );
    await pair.caughtUp();
    const job = await storeBackupInMemory(
      engine(),
      orderFor(pair.replica),
      contextIn(pair.directory, programs),
    );
    const wanted = [
      { schema: 'shop', table: 'lines' },
      { schema: 'shop', table: 'orders' },
      { schema: oddSchema, table: oddTable },
    ];
    const order: RestoreTablesOrder = {
      ...restoreOrderFor(join(pair.directory, 'scratch'), await freePort()),
      kind: 'restore-tables',
      member: memberOf(pair.primary),
      tables: wanted.map((table) => ({ ...table, as: `${table.table} again` })),
      ancestors: [],
    };
    const context = contextIn(pair.directory, programs);
    const tables = engine().tables!;
    expect(await tables.preflight(order, job.manifest, context)).toEqual({ outcome: 'ready' });
    const { stored, fetched } = await job.open();
    const back = await tables.restore(order, stored, context, undefined, (_, step) => step());
    expect(back).toMatchObject({ comparison: 'exact', position: job.manifest.position });
    const recorded = new Map(
      job.manifest.fingerprint.tables.map((of) => [`${of.schema}.${of.table}`, of.rows]),
    );
    expect(back.tables.map(({ schema, table, rows }) => [schema, table, rows])).toEqual(
      wanted.map(({ schema, table }) => [schema, table, recorded.get(`${schema}.${table}`)]),
    );
    // Thirty megabytes of the dump are another table's; a frame of 4 MiB may hold the end of one file and the next.
    expect(fetched()).toBeLessThan(job.manifest.metrics.storedBytes - 20_000_000);
    expect(existsSync(order.target.directory)).toBe(false);
    await pair.sql(
      pair.primary,
      `DROP TABLE shop.ballast, shop.\`lines again\`, shop.\`orders again\`, \`${oddSchema}\`.\`${oddTable} again\``,
    );
    await pair.caughtUp();
  });

  /** What is left of a dump that failed: files, sessions of the tool, a stopped applier. */
  const leftovers = async () => ({
    dumps: readdirSync(join(pair.directory, 'spool/dumps')),
    applier: await applierRuns(),
    sessions: await pair.sql(
      pair.replica,
      `SELECT INFO FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = 'root'`,
    ),
  });
  const nothingLeft = { dumps: [], applier: true, sessions: [] };

  it('M21 ends a dump that has more on disk than the plan allows, and leaves nothing of it', async () => {
    const order = orderFor(pair.replica);
    const tight = { ...order, plan: { ...order.plan, spoolBytes: 100_000 } };
    const dumping = takeBackup(engine(), tight, contextIn(pair.directory, programs), {
      write: () => new Promise((resolve) => setTimeout(resolve, 20)),
    });
    await expect(dumping).rejects.toMatchObject({ name: 'Backup.SpoolFull', facts: { bound: 100_000 } });
    await expect.poll(leftovers).toEqual(nothingLeft);
  });

  it('M21 looks before it dumps whether the disk has the room that the plan allows', async () => {
    const order = orderFor(pair.replica);
    const vast = { ...order, plan: { ...order.plan, spoolBytes: 2 ** 50 } };
    const refused = takeBackup(engine(), vast, contextIn(pair.directory, programs));
    await expect(refused).rejects.toMatchObject({
      name: 'Backup.SpoolFull',
      message: expect.stringContaining('bytes free'),
    });
  });

  it('M06 gives the lock up within its budget where another holds the server', async () => {
    const holder = await pair.primary.connect();
    await holder.query('BACKUP STAGE START');
    const order = orderFor(pair.primary);
    const hurried = { ...order, policy: { ...order.policy, lockBudgetSeconds: 1 } };
    try {
      const dumping = takeBackup(engine(), hurried, contextIn(pair.directory, programs));
      await expect(dumping).rejects.toMatchObject({ name: 'Backup.LockBudget' });
    } finally {
      await holder.end();
    }
  });

  it('F03 a tool that is killed has failed, and the applier runs again', async () => {
    const context = contextIn(pair.directory, programs);
    const { runChild } = context;
    const killing: typeof runChild = (spec) => {
      let pid = 0;
      return spec.args.includes('--version') || spec.command !== 'mydumper'
        ? runChild(spec)
        : runChild({
            ...spec,
            onStart: (started) => {
              pid = started;
              spec.onStart?.(started);
            },
            onStderrLine: (line) => {
              spec.onStderrLine?.(line);
              if (/dumping data|Transactions started/.test(line)) process.kill(pid, 'SIGKILL');
            },
          });
    };
    const dumping = takeBackup(engine(), orderFor(pair.replica), { ...context, runChild: killing });
    await expect(dumping).rejects.toMatchObject({
      name: 'Backup.ToolFailed',
      message: expect.stringContaining('SIGKILL'),
    });
    await expect.poll(leftovers).toEqual(nothingLeft);
  });

  it('a table that changes while it is dumped is no backup', async () => {
    let changed = false;
    const dumping = takeBackup(engine(), orderFor(pair.primary), contextIn(pair.directory, programs), {
      fileBoundary: () => {},
      write: async () => {
        if (changed) return;
        changed = true;
        await pair.sql(pair.primary, 'ALTER TABLE shop.empty COMMENT = "another"');
      },
    });
    await expect(dumping).rejects.toMatchObject({ name: 'Backup.DefinitionsMoved' });
  });

  it('M09 what a dump would lose is seen at the inspection, and the order is refused', async () => {
    await pair.sql(
      pair.primary,
      'CREATE DATABASE lost',
      'CREATE TABLE lost.t (f FLOAT, u UUID, n INET6, h INT INVISIBLE)',
      'CREATE TABLE lost.v (a INT) WITH SYSTEM VERSIONING',
      'CREATE TABLE lost.`a/b` (a INT)',
      'CREATE TABLE lost.gone (a INT)',
      'CREATE VIEW lost.broken AS SELECT a FROM lost.gone',
      'DROP TABLE lost.gone',
    );
    await pair.caughtUp();
    const order = orderFor(pair.replica);
    const inspection = await engine().inspect(
      { kind: 'check', engine: 'mysql', flavour: 'mariadb', member: order.member },
      contextIn(pair.directory, programs),
    );
    expect(inspection.ineligible).toEqual([]);
    const reasons = inspection.logical?.refusals.join('; ') ?? '';
    for (const told of [
      'lost.t.f are FLOAT',
      'lost.t.u, lost.t.n are UUID',
      'lost.v keep their history',
      ...(real === undefined ? ['lost.t.h are invisible', 'has a "/"'] : ['"a/b" has characters']),
      'the views lost.broken',
    ]) {
      expect(reasons).toContain(told);
    }
    expect(await engine().preflight(order, contextIn(pair.directory, programs))).toMatchObject({
      outcome: 'refused',
      name: 'Member.Ineligible',
      cause: expect.stringContaining('lost.t.f'),
    });
    await pair.sql(pair.primary, 'DROP DATABASE lost');
    await pair.caughtUp();
    expect(await engine().preflight(order, contextIn(pair.directory, programs))).toEqual({
      outcome: 'ready',
    });
  });
});
