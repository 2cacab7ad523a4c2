import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection, escape as quote } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { readMarker, writeMarker } from '../../runner/engines/mysql/applier-marker.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { chooseRanges, type Range } from '../../runner/engines/mysql/fingerprint/ranges.ts';
import { readTableFacts } from '../../runner/engines/mysql/fingerprint/table-facts.ts';
import { readUserTables } from '../../runner/engines/mysql/fingerprint/user-tables.ts';
import { withSession } from '../../runner/engines/mysql/session.ts';
import { type Pair, startPair, startProbe } from './support/mariadb-pair.ts';
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

describe('the MariaDB physical full', () => {
  let pair: Pair;
  let stateDirectory: string;
  const restored: string[] = [];
  const engine = () => makeMysqlEngine({ stateDirectory });
  const applierRuns = async () =>
    (await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS'))[0]?.Slave_SQL_Running === 'Yes';

  beforeAll(async () => {
    pair = await startPair('engine');
    stateDirectory = join(pair.directory, 'state');
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      `CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB,
         hidden INT INVISIBLE DEFAULT 7, twice INT AS (id * 2) VIRTUAL, KEY (note))`,
    );
    await pair.sql(
      pair.primary,
      "INSERT INTO shop.orders (note, body) VALUES ('first', REPEAT('y', 1000)), (NULL, NULL), ('', '')",
      ...Array.from(
        { length: 11 },
        () => 'INSERT INTO shop.orders (note, body) SELECT note, body FROM shop.orders LIMIT 2000',
      ),
      "INSERT INTO shop.orders (note, body) VALUES ('large', REPEAT('z', 9000000))",
      'CREATE DATABASE `odd ``?b`',
      'CREATE TABLE `odd ``?b`.`t?\'"x` (id INT PRIMARY KEY, g GEOMETRY, b BIT(7), j JSON, d DOUBLE, u UUID, ts TIMESTAMP)',
      "INSERT INTO `odd ``?b`.`t?'\"x` VALUES (1, POINT(1,2), b'1010', '{\"a\":1}', 1.1, UUID(), NOW()), (2,NULL,NULL,NULL,NULL,NULL,NULL)",
      'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
      'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
      'CREATE TABLE shop.aria (id INT PRIMARY KEY) ENGINE=Aria',
      'INSERT INTO shop.aria VALUES (1), (2)',
      'CREATE TABLE shop.volatile (id INT) ENGINE=MEMORY',
      'INSERT INTO shop.volatile VALUES (1)',
      'CREATE TABLE shop.history (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING',
      'INSERT INTO shop.history VALUES (1, 1)',
      'UPDATE shop.history SET v = 2',
      'CREATE SEQUENCE shop.numbers',
      'SELECT NEXTVAL(shop.numbers)',
      'CREATE VIEW shop.latest AS SELECT MAX(id) AS id FROM shop.orders',
      'CREATE PROCEDURE shop.nothing() SELECT 1',
      'CREATE TRIGGER shop.mark BEFORE INSERT ON shop.parts FOR EACH ROW SET NEW.y = NEW.y',
      'CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.volatile',
      'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
      'INSERT INTO shop.beat VALUES (0, NOW(6))',
    );
    await pair.caughtUp();
  });
  afterEach(async () => {
    for (const directory of restored.splice(0)) await stopRestored(directory);
  });
  afterAll(async () => pair?.close());

  const target = async (name: string) => {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    return restoreOrderFor(directory, await freePort());
  };

  const bringBack = async (taken: Taken, order: Awaited<ReturnType<typeof target>>) => {
    const context = contextIn(pair.directory);
    expect(await engine().restore.preflight(order, taken.manifest, context)).toEqual({ outcome: 'ready' });
    await engine().restore.unpack(order, storedOf(taken), context);
    await engine().restore.prepare(order, taken.manifest, context);
    return engine().restore.start(order, taken.manifest, context);
  };

  it('M08 backs up a replica at one position while the primary is written to, and brings back exactly that', async () => {
    const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    const taken = await takeBackup(
      engine(),
      backupOrderFor(memberOf(pair.replica)),
      contextIn(pair.directory),
    );
    const { commits } = await writer.stop();
    expect(commits).toBeGreaterThan(10);
    const { manifest } = taken;
    expect(manifest.comparison).toBe('exact');
    expect(manifest.position).toEqual(manifest.fingerprint.position);
    expect(manifest.server.accounts).toMatchObject({
      in: 'mysql/',
      names: expect.arrayContaining(["'root'@'localhost'"]),
    });
    expect(manifest.metrics.applierStoppedSeconds).toBeGreaterThan(0);
    expect(await applierRuns()).toBe(true);
    expect(taken.rows.filter((row) => row.t === 'file')).toHaveLength(manifest.metrics.files);

    const order = await target('exact');
    const instance = await bringBack(taken, order);
    expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
    expect(instance.serverId).not.toBe(manifest.server.serverId);
    expect(readdirSync(order.target.directory)).not.toContain('holdfast-partial');

    const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
    const [rows] = await connection.query(
      'SELECT @@read_only AS ro, @@event_scheduler AS events, @@log_bin AS log, @@server_id AS id, @@bind_address AS bind',
    );
    expect(rows).toEqual([{ ro: 1, events: 'OFF', log: 0, id: instance.serverId, bind: '127.0.0.1' }]);
    const [channels] = await connection.query('SHOW ALL SLAVES STATUS');
    expect(channels).toEqual([]);
    await connection.end();
  });

  it('M08 says bounded for a primary that is written to, and restores it all the same', async () => {
    const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    const taken = await takeBackup(
      engine(),
      backupOrderFor(memberOf(pair.primary)),
      contextIn(pair.directory),
    );
    await writer.stop();
    expect(taken.manifest.comparison).toBe('bounded');
    expect(taken.manifest.fingerprintBefore?.tables.length).toBe(taken.manifest.fingerprint.tables.length);
    const instance = await bringBack(taken, await target('bounded'));
    expect(compareFingerprints(taken.manifest, instance.fingerprint).differences).toEqual([]);
  });

  it('F76 logs in with a password of quotes, spaces, $, ;, #, backslashes and line breaks', async () => {
    const user = `b "o'x" $HOME;`;
    const password = ` p'w"d \\n #x; $(id) \`y\`\n\ttwo\\ é `;
    await pair.sql(
      pair.primary,
      `CREATE USER ${quote(user)}@localhost IDENTIFIED BY ${quote(password)}`,
      `GRANT ALL PRIVILEGES ON *.* TO ${quote(user)}@localhost`,
    );
    const member = memberOf(pair.primary, { kind: 'secret', name: 'holdfast/mi-0abc/backup' });
    const lines: string[] = [];
    const context = contextIn(
      pair.directory,
      { readSecret: async () => JSON.stringify({ user, password }) },
      lines,
    );
    const taken = await takeBackup(engine(), backupOrderFor(member), context);
    expect(taken.manifest.tool.exitCode).toBe(0);
    expect(JSON.stringify(taken.manifest.tool.arguments)).not.toContain('id');
    expect(lines.join('\n')).not.toContain('$(id)');
  });

  it('M06 kills a tool whose output stalls while it blocks commits, and the commits go on', async () => {
    await pair.sql(
      pair.primary,
      'SET sql_log_bin=0',
      `INSERT INTO mysql.column_stats (db_name, table_name, column_name, histogram) VALUES ${Array.from(
        { length: 1500 },
        (_, i) => `('x', 't${i}', 'c', REPEAT('h', 2000))`,
      ).join(',')}`,
    );
    let stalled = false;
    const context = contextIn(pair.directory, {
      log: (message) => {
        stalled ||= message.includes('Acquired locks for BACKUP STAGE BLOCK_COMMIT');
      },
    });
    const probe = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6)');
    const order = backupOrderFor(memberOf(pair.primary), { policy: { ...policy, lockBudgetSeconds: 1 } });
    const running = takeBackup(engine(), order, context, {
      write: () => (stalled ? new Promise(() => {}) : Promise.resolve()),
    });
    await expect(running).rejects.toMatchObject({ name: 'Backup.LockBudget' });
    const committed = probe.found.commits;
    await expect.poll(() => probe.found.commits).toBeGreaterThan(committed);
    expect((await probe.stop()).slowestMs).toBeLessThan(5000);
    expect(stalled).toBe(true);
  });

  it('M11 starts the applier again that a dead runner left stopped, but not under one that lives', async () => {
    const context = contextIn(pair.directory);
    const member = memberOf(pair.replica);
    const order = backupOrderFor(member);
    const check = { kind: 'check' as const, engine: 'mysql' as const, flavour: 'mariadb' as const, member };
    const began = Promise.withResolvers<void>();
    const runChild: typeof context.runChild = (spec) => {
      if (!spec.args.includes('--backup')) return context.runChild(spec);
      began.resolve();
      return new Promise<never>(() => {});
    };
    // A runner that is gone never comes back from its tool.
    void takeBackup(engine(), order, { ...context, runChild }).catch(() => {});
    await began.promise;
    expect(await applierRuns()).toBe(false);
    const marker = await readMarker(stateDirectory, member.datadir);
    expect(marker).toMatchObject({ backupId: order.backupId, channels: [''] });

    const whileItLives = await engine().inspect(check, contextIn(pair.directory));
    expect(whileItLives.ineligible.join()).toContain('applier');
    expect(await applierRuns()).toBe(false);

    await writeMarker(stateDirectory, {
      ...marker!,
      member,
      runner: { pid: 2 ** 22, startTime: '0' },
    });
    const afterwards = await engine().inspect(check, contextIn(pair.directory));
    expect(afterwards.ineligible).toEqual([]);
    expect(await applierRuns()).toBe(true);
    expect(await readMarker(stateDirectory, member.datadir)).toBeUndefined();

    await writeMarker(stateDirectory, { ...marker!, member });
    await pair.sql(pair.replica, 'STOP SLAVE SQL_THREAD');
    await engine().sweep(order, contextIn(pair.directory));
    expect(await applierRuns()).toBe(true);
  });

  it('M18 refuses to restore tables outside the data directory, by their paths', async () => {
    const outside = join(pair.directory, 'elsewhere');
    mkdirSync(outside);
    const owner = statSync(pair.primary.datadir);
    chownSync(outside, owner.uid, owner.gid);
    await pair.sql(
      pair.primary,
      'SET sql_log_bin=0',
      `CREATE TABLE shop.far (id INT PRIMARY KEY) DATA DIRECTORY='${outside}'`,
    );
    try {
      const found = await engine().inspect(
        { kind: 'check', engine: 'mysql', flavour: 'mariadb', member: memberOf(pair.primary) },
        contextIn(pair.directory),
      );
      expect(found.outsideDatadir).toEqual([join(outside, 'shop/far.ibd')]);
      const taken = await takeBackup(
        engine(),
        backupOrderFor(memberOf(pair.primary)),
        contextIn(pair.directory),
      );
      const order = await target('outside');
      expect(
        await engine().restore.preflight(order, taken.manifest, contextIn(pair.directory)),
      ).toMatchObject({
        outcome: 'refused',
        name: 'Restore.OutsideDatadir',
        cause: expect.stringContaining('far.ibd'),
      });
      expect(existsSync(order.target.directory)).toBe(false);
    } finally {
      await pair.sql(pair.primary, 'SET sql_log_bin=0', 'DROP TABLE shop.far');
    }
  });

  it('M08 reads the same pieces of a large table again on another server, and sees a change in them', async () => {
    await pair.sql(
      pair.primary,
      'CREATE TABLE shop.named (name VARCHAR(30) PRIMARY KEY, v INT, hidden INT INVISIBLE DEFAULT 1)',
      "INSERT INTO shop.named (name, v) SELECT CONCAT('n', id), id FROM shop.orders LIMIT 500",
    );
    await pair.caughtUp();
    const signal = new AbortController().signal;
    const login = (server: Pair['primary']) => ({
      user: 'root',
      password: undefined,
      address: { socket: server.socket },
    });
    for (const name of ['orders', 'named']) {
      const facts = async (server: Pair['primary'], like?: Range[]) =>
        withSession(login(server), signal, async (session) => {
          const table = (await readUserTables(session)).find((t) => t.table === name)!;
          const ranges = like ?? (await chooseRanges(session, table, 'seed', 50))!;
          return readTableFacts(session, table, ranges);
        });
      const first = await facts(pair.primary);
      expect(first.rows).toBeGreaterThan(90);
      expect(first.rows).toBeLessThan(500);
      expect(await facts(pair.replica, first.ranges)).toEqual(first);
      const key =
        first.ranges![0]!.from === 'first'
          ? 'TRUE ORDER BY name LIMIT 1'
          : `id >= ${first.ranges![0]!.from} LIMIT 1`;
      await pair.sql(pair.primary, `UPDATE shop.${name} SET hidden = hidden + 1 WHERE ${key}`);
      expect((await facts(pair.primary, first.ranges)).checksum).not.toBe(first.checksum);
    }
    await pair.caughtUp();
  });

  describe('with one backup', () => {
    let taken: Taken;
    beforeAll(async () => {
      await pair.caughtUp();
      taken = await takeBackup(engine(), backupOrderFor(memberOf(pair.replica)), contextIn(pair.directory));
    });

    it('M19 does not go on when a file is gone after unpacking', async () => {
      const order = await target('gone');
      const context = contextIn(pair.directory);
      await engine().restore.unpack(order, storedOf(taken), context);
      rmSync(join(order.target.directory, 'holdfast-partial/shop/orders.ibd'));
      await expect(engine().restore.prepare(order, taken.manifest, context)).rejects.toMatchObject({
        name: 'Restore.PrepareWarned',
        message: expect.stringContaining('shop/orders.ibd'),
      });
    });

    it('F69 leaves nothing of a stream that was cut off, and nothing that a server could start on', async () => {
      const order = await target('cut');
      const cut = { ...taken, bytes: taken.bytes.subarray(0, taken.bytes.length - 100) };
      await expect(
        engine().restore.unpack(order, storedOf(cut), contextIn(pair.directory)),
      ).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
      expect(readdirSync(order.target.directory)).toEqual([]);
    });

    it('F67 refuses a directory with something in it, a taken port and too little room, each by value', async () => {
      const order = await target('full');
      const full = join(pair.directory, 'restores');
      writeFileSync(join(pair.directory, 'restores', 'precious'), '');
      const refusal = (changes: object, manifest = taken.manifest) =>
        engine().restore.preflight(
          { ...order, target: { ...order.target, ...changes } },
          manifest,
          contextIn(pair.directory),
        );
      expect(await refusal({ directory: full })).toMatchObject({ name: 'Restore.DirectoryNotEmpty' });
      expect(await refusal({ port: pair.primary.port })).toMatchObject({ name: 'Restore.PortTaken' });
      const huge = { ...taken.manifest, restore: { ...taken.manifest.restore, bytes: 1e18 } };
      expect(await refusal({}, huge)).toMatchObject({ name: 'Restore.NoSpace' });
      const newer = { ...taken.manifest, server: { ...taken.manifest.server, version: '11.8.2' } };
      expect(await refusal({}, newer)).toMatchObject({ name: 'Restore.VersionMismatch' });
    });

    it('finds it when the restored rows are not those of the fingerprint, and never puts them in place', async () => {
      const order = await target('differs');
      const tables = taken.manifest.fingerprint.tables.map((table) =>
        table.table === 'orders' ? { ...table, checksum: '1:1' } : table,
      );
      const manifest = { ...taken.manifest, fingerprint: { ...taken.manifest.fingerprint, tables } };
      await expect(bringBack({ ...taken, manifest }, order)).rejects.toMatchObject({
        name: 'Restore.FingerprintDiffers',
        message: expect.stringContaining('orders'),
      });
      expect(existsSync(join(order.target.directory, 'mysql'))).toBe(false);
    });
  });
});
