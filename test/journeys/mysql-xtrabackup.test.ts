import { createHash } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ancestorsOf } from '../../contract/mysql-files/relations.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import { xtrabackupSettingsSchema } from '../../contract/records/tool-settings.ts';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { readTableFacts } from '../../runner/engines/mysql/fingerprint/table-facts.ts';
import { readUserTables } from '../../runner/engines/mysql/fingerprint/user-tables.ts';
import { withSession } from '../../runner/engines/mysql/session.ts';
import { writeNote } from '../../runner/engines/mysql/tables/tables-note.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import { makeStartServer } from '../../runner/host/start-server.ts';
import { storeLog } from '../doubles/stored-log.ts';
import { type InstalledXtrabackup, installXtrabackup } from '../doubles/xtrabackup/install.ts';
import type { Misbehaviour } from '../doubles/xtrabackup/misbehaviour.ts';
import type { MysqlServer } from '../servers/mysql.ts';
import { type MysqlPair, startMysqlPair } from '../servers/mysql-pair.ts';
import { unstable } from '../servers/unstable.ts';
import { engineContract } from '../unit/runner/engines/contract-suite.ts';
import { logFilesOf, planned } from './support/archived.ts';
import { startProbe } from './support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  policy,
  restoreOrderFor,
  shownOf,
  stopRestored,
  storedFilesOf,
  storedOf,
  type Taken,
  takeBackup,
} from './support/mysql-jobs.ts';

const others = await unstable();

describe.skipIf(others.missing !== null)(
  'a MySQL with XtraBackup, of which a double stands for the tool',
  () => {
    const { mysql } = others as Extract<typeof others, { missing: null }>;
    let pair: MysqlPair;
    let tool: InstalledXtrabackup;
    /** Of the replica, while it stood still. */
    let taken: Taken;
    const restored: string[] = [];
    const path = () => `${tool.directory}:${mysql.path}`;
    const engine = () =>
      makeMysqlEngine({
        stateDirectory: join(pair.directory, 'state'),
        startServer: makeStartServer(path()),
      });
    const context = (lines: string[] = []) =>
      contextIn(pair.directory, { runChild: makeRunChild({ path: path() }) }, lines);
    const orderFor = (server: MysqlServer, changes: Partial<Policy> = {}) =>
      backupOrderFor(memberOf(server), {
        flavour: 'mysql',
        // The double holds the lock while its server clones itself, which takes seconds on a machine that is busy.
        policy: { ...policy, lockBudgetSeconds: 120, ...changes },
      });
    /** The same into so many named pipes. */
    const inStreams = (fifoStreams: number, changes: Partial<Policy> = {}) => {
      const order = orderFor(pair.primary, changes);
      return { ...order, plan: { ...order.plan, fifoStreams } };
    };
    const applierRuns = async () =>
      (await pair.sql(pair.replica, 'SHOW REPLICA STATUS'))[0]?.Replica_SQL_Running === 'Yes';
    /** What a tool that is gone may have left: nobody else takes locks of this kind. */
    const locks = async () =>
      pair.sql(
        pair.primary,
        "SELECT OBJECT_TYPE FROM performance_schema.metadata_locks WHERE LOCK_TYPE = 'SHARED' AND OBJECT_SCHEMA IS NULL",
      );

    beforeAll(async () => {
      pair = await startMysqlPair('xtrabackup', mysql.path, {
        'plugin-load-add': 'auth_socket.so;mysql_clone.so',
      });
      tool = installXtrabackup(join(pair.directory, 'tool'), '9.7.2-2');
      await pair.sql(
        pair.primary,
        'CREATE DATABASE shop',
        'CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB, KEY (note), FULLTEXT KEY (note))',
        "INSERT INTO shop.orders (note, body) VALUES ('first', REPEAT('y', 1000)), (NULL, NULL), ('', '')",
        ...Array.from(
          { length: 6 },
          () => 'INSERT INTO shop.orders (note, body) SELECT note, body FROM shop.orders',
        ),
        'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
        'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
        'CREATE TABLE shop.old (id INT PRIMARY KEY) ENGINE=MyISAM',
        'INSERT INTO shop.old VALUES (1), (2)',
        'ALTER TABLE shop.parts ADD COLUMN later INT DEFAULT 3, ALGORITHM=INSTANT',
        'CREATE TABLE shop.buyers (id INT PRIMARY KEY)',
        'INSERT INTO shop.buyers VALUES (1), (2)',
        `CREATE TABLE shop.grown (id BIGINT PRIMARY KEY AUTO_INCREMENT, buyer INT, j JSON, twice INT AS (buyer * 2), hid INT INVISIBLE DEFAULT 3,
           KEY (twice), CHECK (buyer > 0), CONSTRAINT who FOREIGN KEY (buyer) REFERENCES shop.buyers (id))`,
        `INSERT INTO shop.grown (buyer, j) VALUES (1, '{"a": 1.5}'), (2, NULL), (NULL, '"ü"')`,
        "ALTER TABLE shop.grown ADD COLUMN late VARCHAR(20) DEFAULT 'late', ALGORITHM=INSTANT",
        'INSERT INTO shop.grown (buyer) VALUES (2)',
        'DELETE FROM shop.grown WHERE id = 4',
        'CREATE DATABASE `odd ``?b`',
        `CREATE TABLE \`odd \`\`?b\`.\`t?'"@x\` (id INT PRIMARY KEY, j JSON)`,
        `INSERT INTO \`odd \`\`?b\`.\`t?'"@x\` VALUES (1, '{"a":1}')`,
        'CREATE EVENT shop.daily ON SCHEDULE EVERY 1 DAY DO DO 1',
        "CREATE USER buyer@localhost IDENTIFIED BY 'x'",
        'GRANT SELECT ON shop.* TO buyer@localhost',
        'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
        'INSERT INTO shop.beat VALUES (0, NOW(6))',
      );
      await pair.caughtUp();
    });
    beforeEach(() => tool.misbehave(undefined));
    afterEach(async () => {
      for (const directory of restored.splice(0)) await stopRestored(directory);
    });
    afterAll(async () => pair?.close());

    const bringBack = async (taken: Taken, name: string) => {
      const directory = join(pair.directory, 'restores', name);
      restored.push(directory);
      const order = restoreOrderFor(directory, await freePort());
      expect(await engine().restore.preflight(order, taken.manifest, context())).toEqual({
        outcome: 'ready',
      });
      await engine().restore.unpack(order, storedOf(taken), context());
      await engine().restore.prepare(order, taken.manifest, context());
      return { order, instance: await engine().restore.start(order, taken.manifest, context()) };
    };

    it('is backed up on a replica while its primary is written to, and brought back equal, cut off from production', async () => {
      const check = { kind: 'check' as const, engine: 'mysql' as const, flavour: 'mysql' as const };
      const seen = await engine().inspect({ ...check, member: memberOf(pair.replica), policy }, context());
      expect(seen).toMatchObject({ ineligible: [], toolVersion: '9.7.2-2', role: 'replica' });
      const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
      taken = await takeBackup(engine(), orderFor(pair.replica), context());
      const { commits } = await writer.stop();
      expect(commits).toBeGreaterThan(5);
      const { manifest } = taken;
      expect(manifest.comparison).toBe('exact');
      expect(manifest.position).toMatchObject({
        flavour: 'mysql',
        gtid: manifest.fingerprint.position?.gtid,
      });
      expect(manifest.tool).toMatchObject({ name: 'xtrabackup', version: '9.7.2-2' });
      expect(shownOf(manifest)).toEqual(seen.toolCommand);
      expect(Number(manifest.lsn?.to)).toBeGreaterThan(0);
      expect(await applierRuns()).toBe(true);

      const { order, instance } = await bringBack(taken, 'replica');
      expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
      const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
      const [rows] = await connection.query(
        `SELECT @@super_read_only AS ro, @@event_scheduler AS events, @@log_bin AS log, @@server_id AS id,
       @@bind_address AS bind, @@server_uuid AS uuid, @@gtid_executed AS gtid`,
      );
      expect(rows).toMatchObject([
        {
          ro: 1,
          events: 'OFF',
          log: 0,
          id: instance.serverId,
          bind: '127.0.0.1',
          gtid: manifest.position?.gtid,
        },
      ]);
      expect((rows as { uuid: string }[])[0]?.uuid).not.toBe(manifest.server.uuid);
      expect((await connection.query('SHOW REPLICA STATUS'))[0]).toEqual([]);
      await connection.end();
      const left = readdirSync(order.target.directory);
      expect(left.filter((name) => /^binlog\.|holdfast-partial|mysqld-auto/.test(name))).toEqual([]);
      expect(instance.howToReach).toContain('mysql --socket=');
    });

    const tablesOrder = async (name: string, tables: readonly string[]): Promise<RestoreTablesOrder> => {
      const { chain: _, log: __, ...order } = restoreOrderFor(join(pair.directory, name), await freePort());
      return {
        ...order,
        kind: 'restore-tables',
        flavour: 'mysql',
        member: memberOf(pair.primary),
        tables: tables.map((table) => ({ schema: 'shop', table, as: `${table}_${name}` })),
        ancestors: ancestorsOf(
          tables.map((table) => ({ schema: 'shop', table })),
          taken.manifest.relations ?? [],
        ),
      };
    };

    it('M05 gives single tables back beside the live ones, through the log, and the replica has them too', async () => {
      const lines: string[] = [];
      const order = await tablesOrder('back', ['grown', 'orders', 'parts', 'old']);
      expect(order.ancestors).toEqual([{ schema: 'shop', table: 'buyers' }]);
      const tables = engine().tables!;
      expect(await tables.preflight(order, taken.manifest, context())).toEqual({ outcome: 'ready' });
      const timed = <T>(_: string, step: () => Promise<T>) => step();
      const answer = await tables.restore(order, storedFilesOf(taken), context(lines), undefined, timed);
      expect(answer.comparison).toBe('exact');
      const texts = answer.tables.map(({ table, way, notes }) => [table, way, notes.join()]);
      expect(texts).toEqual([
        ['grown', 'copy', 'without its foreign key who'],
        ['orders', 'copy', expect.stringContaining('rows copied as text')],
        ['parts', 'copy', expect.stringContaining('it has partitions')],
        ['old', 'copy', expect.stringContaining('it is a table of MyISAM')],
      ]);
      await pair.caughtUp();
      for (const server of [pair.primary, pair.replica]) {
        const login = { user: 'root', password: undefined, address: { socket: server.socket } };
        await withSession(login, new AbortController().signal, async (session) => {
          const known = await readUserTables(session);
          const factsOf = async (name: string) => {
            const found = known.find(({ schema, table }) => schema === 'shop' && table === name)!;
            const { rows, checksum } = await readTableFacts(session, found, undefined);
            return { rows, checksum };
          };
          for (const { table, as } of order.tables) expect(await factsOf(as)).toEqual(await factsOf(table));
        });
        expect(
          await pair.sql(
            server,
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'holdfast%'",
          ),
        ).toEqual([]);
        expect(
          readdirSync(join(server.datadir, 'shop')).filter((name) => name.startsWith('holdfast')),
        ).toEqual([]);
      }
      const next = (table: string) =>
        pair.sql(
          pair.primary,
          'SET SESSION information_schema_stats_expiry = 0',
          `SELECT AUTO_INCREMENT AS n FROM information_schema.TABLES WHERE TABLE_NAME = '${table}'`,
        );
      expect(await next('grown_back')).toEqual(await next('grown'));
      expect(existsSync(order.target.directory)).toBe(false);
    });

    it('M04 gives single tables back as they were at a point of the log, whatever else the log is of', async () => {
      const { primary } = pair;
      await pair.sql(
        primary,
        'INSERT INTO shop.buyers VALUES (3)',
        `INSERT INTO shop.grown (buyer, j) VALUES (3, '[1, 2]'), (1, NULL)`,
        'ALTER TABLE shop.grown ADD COLUMN paid INT NOT NULL DEFAULT 7, ALGORITHM=INSTANT',
        `UPDATE shop.grown SET paid = id, j = JSON_SET(j, '$.a', 2) WHERE id < 3`,
        'INSERT INTO shop.parts (id, y) VALUES (3, 5)',
        'ALTER TABLE shop.beat ADD COLUMN v INT',
        'CREATE DATABASE side',
        'CREATE TABLE side.t (id INT PRIMARY KEY)',
        'INSERT INTO side.t VALUES (1)',
        'CREATE PROCEDURE shop.nothing() SELECT 1',
        'CREATE VIEW shop.some AS SELECT id FROM shop.orders',
        'GRANT INSERT ON shop.* TO buyer@localhost',
        'DROP DATABASE side',
      );
      const contentOf = (name: string) => pair.sql(primary, `SELECT *, hid FROM shop.${name} ORDER BY id`);
      const truth = await contentOf('grown');
      const [last] = await pair.sql(primary, 'SELECT @@GLOBAL.gtid_executed AS g');
      const executed = String(last?.g).replace(/\s/g, '');
      const gtid = executed.replace(/^(.*:)(?:\d+-)?(\d+)$/, '$1$2');
      await pair.sql(primary, 'DELETE FROM shop.grown', 'FLUSH BINARY LOGS');
      const from = taken.manifest.position as MysqlPosition;
      const stored = storeLog(logFilesOf(primary), 64 * 1024, { flavour: 'mysql' });
      const log = await planned(stored, from, { gtid }, pair.directory);
      const order = await tablesOrder('then', ['grown', 'parts']);
      const timed = <T>(_: string, step: () => Promise<T>) => step();
      const answer = await engine().tables!.restore(order, storedFilesOf(taken), context(), log, timed);
      expect(answer).toMatchObject({ comparison: 'exact', position: { gtid: executed } });
      expect(answer.tables).toMatchObject([
        { table: 'grown', rows: truth.length },
        { table: 'parts', rows: 3 },
      ]);
      expect(await contentOf('grown_then')).toEqual(truth);
      expect(await contentOf('grown')).toEqual([]);
      expect(existsSync(order.target.directory)).toBe(false);
    });

    it('F11 clears away what a killed restore of tables left, with the files that the server leaves', async () => {
      const names = ['holdfast_dead_0', 'holdfast_dead_0_space'];
      const tables = names.map((table) => ({ schema: 'shop', table }));
      await pair.sql(
        pair.primary,
        'CREATE TABLE shop.holdfast_dead_0 (id INT PRIMARY KEY)',
        'SET sql_log_bin = 0',
        'CREATE TABLE shop.holdfast_dead_0_space (id INT PRIMARY KEY)',
        'ALTER TABLE shop.holdfast_dead_0_space DISCARD TABLESPACE',
      );
      const left = () =>
        readdirSync(join(pair.primary.datadir, 'shop')).filter((name) => name.startsWith('holdfast'));
      writeFileSync(join(pair.primary.datadir, 'shop/holdfast_dead_0_space.ibd'), 'half');
      expect(left().length).toBeGreaterThan(1);
      await writeNote(join(pair.directory, 'state'), 'dead', {
        v: 1,
        backupId: 'b-1',
        directory: join(pair.directory, 'dead'),
        member: memberOf(pair.primary),
        working: tables.slice(0, 1),
        unlogged: tables.slice(1),
        runner: { pid: 2 ** 22, startTime: '0' },
      });
      expect(await engine().sweepHost(context())).toBe(0);
      expect(left()).toEqual([]);
      await pair.caughtUp();
      expect(await pair.sql(pair.replica, "SHOW TABLES FROM shop LIKE 'holdfast%'")).toEqual([]);
    });

    it('M19 gives no table back whose file its stream has lost', async () => {
      const order = await tablesOrder('lost', ['grown']);
      const rows = taken.rows.filter((row) => row.t !== 'file' || row.path !== 'shop/grown.ibd');
      const timed = <T>(_: string, step: () => Promise<T>) => step();
      await expect(
        engine().tables!.restore(order, storedFilesOf({ ...taken, rows }), context(), undefined, timed),
      ).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
      const incremental = {
        ...taken.manifest,
        plan: { ...taken.manifest.plan, level: 'incremental' as const },
      };
      expect(await engine().tables!.preflight(order, incremental, context())).toMatchObject({
        name: 'Restore.NotYet',
      });
    });

    it('M08 is bounded on a primary that is written to, in several streams packed by the tool as the policy says, and knows what came back', async () => {
      const keyFile = join(pair.directory, 'key');
      const key = `${'k'.repeat(31)}e`;
      // Readable by root alone; the account of a restored server, which decrypts, is lent it.
      writeFileSync(keyFile, key, { mode: 0o600 });
      const xtrabackup = xtrabackupSettingsSchema.parse({
        compress: { threads: 2 },
        encrypt: { keyFile },
        throttle: 40,
        history: 'nightly',
      });
      const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
      const taken = await takeBackup(engine(), inStreams(3, { xtrabackup }), context());
      await writer.stop();
      const { manifest } = taken;
      expect(manifest.comparison).toBe('bounded');
      const files = taken.rows.flatMap((row) => (row.t === 'file' ? [row.path] : []));
      expect(files.filter((name) => !name.endsWith('.zst.xbcrypt'))).toEqual([]);
      expect(manifest.tool.arguments).toEqual(
        expect.arrayContaining([
          '--compress=zstd',
          '--encrypt=AES256',
          expect.stringMatching(/^--encrypt-key-file=.*\/work-\d+\/key$/),
          '--throttle=40',
          '--history=nightly',
          '--fifo-streams=3',
        ]),
      );
      expect(manifest.streams.map(({ stream }) => stream)).toEqual(['fifo-0', 'fifo-1', 'fifo-2']);
      const inStream = (name: string) => taken.rows.filter((row) => row.t === 'file' && row.stream === name);
      for (const { stream } of manifest.streams) expect(inStream(stream).length).toBeGreaterThan(20);
      const said = JSON.stringify([taken.manifest, tool.calls()]);
      expect(said).not.toContain(key);
      expect(manifest.restore.key).toEqual({
        kind: 'file',
        name: keyFile,
        algorithm: 'AES256',
        check: expect.stringMatching(/^[0-9a-f]{8}$/),
      });
      const { instance } = await bringBack(taken, 'primary');
      expect(tool.calls().join()).not.toContain(keyFile);
      expect(readdirSync('/run').filter((name) => name.startsWith('holdfast-lent'))).toEqual([]);
      expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
      const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
      const [rows] = await connection.query('SELECT @@gtid_executed AS gtid');
      await connection.end();
      expect(rows).toEqual([{ gtid: instance.position?.gtid }]);
    });

    it('M23 is backed up incrementally, and comes back as its chain, rolled back by its server only', async () => {
      await pair.caughtUp();
      const take = (backupId: string, parents: Taken[]) => {
        const parent = parents.at(-1)?.manifest;
        const order = orderFor(pair.replica);
        const { server, tool: made, lsn } = parent ?? {};
        const increment = {
          fromLsn: lsn?.to ?? '',
          origin: {
            uuid: server?.uuid ?? '',
            serverId: server?.serverId ?? 0,
            datadir: server?.datadir ?? '',
            files: server?.files ?? '',
          },
          serverVersion: server?.version ?? '',
          toolVersion: made?.version ?? '',
          links: parents.map(({ manifest }) => manifest.backupId),
        };
        const plan = {
          ...order.plan,
          chain: parents[0]?.manifest.backupId ?? backupId,
          ...(parent === undefined
            ? {}
            : { level: 'incremental' as const, parent: parent.backupId, increment }),
        };
        return takeBackup(engine(), { ...order, backupId, plan }, context());
      };
      const full = await take('b-full', []);
      await pair.sql(
        pair.primary,
        "INSERT INTO shop.orders (note) VALUES ('after the full')",
        'CREATE TABLE shop.new_one (id INT PRIMARY KEY)',
        'INSERT INTO shop.new_one VALUES (1)',
        'CREATE TABLE shop.passing (id INT PRIMARY KEY)',
        'INSERT INTO shop.old VALUES (3)',
      );
      await pair.caughtUp();
      const first = await take('b-inc-1', [full]);
      expect(first.manifest.lsn?.from).toBe(full.manifest.lsn?.to);
      expect(first.bytes.length).toBeLessThan(full.bytes.length / 2);
      await pair.sql(
        pair.primary,
        'DROP TABLE shop.passing',
        "UPDATE shop.orders SET note = 'changed' WHERE id = 1",
      );
      await pair.caughtUp();
      const second = await take('b-inc-2', [full, first]);
      expect(second.manifest.comparison).toBe('exact');

      const directory = join(pair.directory, 'restores', 'chain');
      restored.push(directory);
      const links = [full, first, second];
      const order = {
        ...restoreOrderFor(directory, await freePort()),
        chain: links.map(({ manifest }) => ({
          backupId: manifest.backupId,
          manifestSha256: '0'.repeat(64),
        })),
      };
      await engine().restore.unpack(order, storedOf(full), context());
      await engine().restore.prepare(order, full.manifest, context());
      for (const link of [first, second]) await engine().restore.apply?.(order, storedOf(link), context());
      const instance = await engine().restore.start(order, second.manifest, context());
      expect(compareFingerprints(second.manifest, instance.fingerprint).differences).toEqual([]);
      const prepares = tool.calls().filter((call) => call.includes('"--prepare"'));
      expect(prepares).toHaveLength(3);
      expect(prepares.filter((call) => !call.includes('--apply-redo-only'))).toEqual([]);
    });

    it('is not backed up where the policy asks for what tool or server do not have', async () => {
      const wants = async (settings: object, version = '9.7.2-2') => {
        const xtrabackup = xtrabackupSettingsSchema.parse(settings);
        const directory = join(pair.directory, `tool-${version}`);
        const used = version === '9.7.2-2' ? tool : installXtrabackup(directory, version);
        const runChild = makeRunChild({ path: `${used.directory}:${mysql.path}` });
        const check = { kind: 'check' as const, engine: 'mysql' as const, flavour: 'mysql' as const };
        const order = { ...check, member: memberOf(pair.primary), policy: { ...policy, xtrabackup } };
        return (await engine().inspect(order, contextIn(pair.directory, { runChild }))).ineligible.join();
      };
      expect(await wants({ lockDdl: 'reduced' })).toBe('');
      expect(await wants({ pageTracking: true })).toContain('no component_mysqlbackup');
      expect(await wants({ lockDdl: 'reduced' }, '8.4.0-4')).toContain('reduced needs XtraBackup 8.4.0-5');
      await pair.sql(pair.primary, "INSTALL COMPONENT 'file://component_mysqlbackup'");
      expect(await wants({ pageTracking: true })).toBe('');
      await pair.sql(pair.primary, "UNINSTALL COMPONENT 'file://component_mysqlbackup'");
    });

    it('M24 is not restored where its key is not, is another, or has a line break, and not backed up there either', async () => {
      const keyFile = join(pair.directory, 'of-the-host');
      const target = { hostId: 'mi-0abc', directory: '/nowhere', port: 1, user: 'mysql' };
      const check = { kind: 'check' as const, engine: 'mysql' as const, flavour: 'mysql' as const };
      const held = { kind: 'secret' as const, name: 'backups', algorithm: 'AES256' as const };
      const missing = async (secret: string | Error, sum: string) => {
        const readSecret = async (name: string) => {
          expect(name).toBe('holdfast/mi-0abc/backups');
          if (secret instanceof Error) throw secret;
          return secret;
        };
        const keys = [{ ...held, check: sum }];
        const found = await engine().inspectTarget({ ...check, target, keys }, { ...context(), readSecret });
        return found.missingKeys;
      };
      const rightOne = createHash('sha256').update('holdfast key\0').update('s'.repeat(32)).digest('hex');
      const sum = rightOne.slice(0, 8);
      expect(await missing('s'.repeat(32), sum)).toEqual([]);
      expect((await missing('t'.repeat(32), sum))?.join()).toContain('another key');
      expect((await missing(`${'s'.repeat(32)}\n`, sum))?.join()).toContain(
        '33 bytes, the last of them a line break',
      );
      expect((await missing(new Error('no such secret'), sum))?.join()).toContain('no such secret');
      const xtrabackup = xtrabackupSettingsSchema.parse({ encrypt: { keyFile } });
      const order = { ...check, member: memberOf(pair.primary), policy: { ...policy, xtrabackup } };
      const { ineligible, onlyPhysical } = await engine().inspect(order, context());
      expect(ineligible.join()).toContain(`xtrabackup.encrypt: ${keyFile} is not there`);
      expect(onlyPhysical).toEqual(ineligible);
    });

    describe('when the tool goes wrong', () => {
      const failing = async (how: Misbehaviour, changes: Partial<Policy> = {}) => {
        tool.misbehave(how);
        const order = how.do === 'fifo' ? inStreams(3, changes) : orderFor(pair.primary, changes);
        const error = await takeBackup(engine(), order, context()).then(
          () => undefined,
          (thrown: { name: string; message: string }) => thrown,
        );
        // A fault that did not strike proves nothing.
        expect(tool.strikes()).not.toEqual([]);
        expect(await locks()).toEqual([]);
        return error;
      };

      it.each([
        [
          'code 1',
          { do: 'fail', at: 0.4, code: 1, says: 'failed to copy datafile ./shop/orders.ibd' },
          'Backup.ToolFailed',
          'failed to copy datafile',
        ],
        [
          'a bad option',
          { do: 'fail', at: 0, code: 255, says: "unknown option '--x'" },
          'Backup.ToolFailed',
          'code 255',
        ],
        [
          '"completed OK!" after half of its files',
          { do: 'cut', at: 0.5 },
          'Backup.Incomplete',
          'is missing',
        ],
        [
          '"completed OK!" in the middle of a chunk',
          { do: 'cut-chunk', at: 0.5 },
          'Backup.Incomplete',
          'within a chunk',
        ],
        ['a signal', { do: 'die', at: 0.3, signal: 'SIGKILL' }, 'Backup.ToolFailed', 'SIGKILL'],
        [
          'redo that was overwritten',
          { do: 'redo-overrun', at: 0.6 },
          'Backup.RedoOverrun',
          'innodb_redo_log_capacity',
        ],
        [
          'a table that it skips',
          { do: 'skip', table: 'shop/orders' },
          'Backup.Incomplete',
          '"shop"."orders" has no data file',
        ],
        [
          'metadata that it forgets',
          { do: 'forget', file: 'xtrabackup_binlog_info' },
          'Backup.Incomplete',
          'xtrabackup_binlog_info is missing',
        ],
        [
          'death before it opens one of its pipes',
          { do: 'fifo', pipe: 1, how: 'dies' },
          'Backup.ToolFailed',
          'SIGKILL',
        ],
        [
          '"completed OK!" with a pipe that it lost on the way',
          { do: 'fifo', pipe: 1, how: 'ends', after: 10_000_000 },
          'Backup.Incomplete',
          'fifo-1 ends within a chunk',
        ],
      ] satisfies [string, Misbehaviour, string, string][])(
        'by %s, the backup fails by name and its locks are gone',
        async (_, how, name, says) => {
          expect(await failing(how)).toMatchObject({ name, message: expect.stringContaining(says) });
        },
      );

      it('M06 by hanging with its locks, it is killed when the budget is spent, and DDL goes on', async () => {
        const error = await failing({ do: 'hang', at: 0.2 }, { ddlLockBudgetSeconds: 1 });
        expect(error).toMatchObject({
          name: 'Backup.LockBudget',
          message: expect.stringContaining('ddlLockBudgetSeconds'),
        });
        await pair.sql(
          pair.primary,
          'CREATE TABLE shop.after_it (id INT PRIMARY KEY)',
          'DROP TABLE shop.after_it',
        );
        await pair.caughtUp();
      });

      it('by a pipe that it never opens, it is killed when nothing has moved for as long as the policy allows', async () => {
        expect(await failing({ do: 'fifo', pipe: 2, how: 'hangs' }, { stallSeconds: 1 })).toMatchObject({
          name: 'Backup.Stalled',
        });
      });

      it('M19 by redo without an end or a prepare that misses files, no server is put in place', async () => {
        tool.misbehave({ do: 'incomplete-redo' });
        const half = await takeBackup(engine(), orderFor(pair.replica), context());
        expect(tool.strikes()).toEqual(['incomplete redo']);
        await expect(bringBack(half, 'half')).rejects.toMatchObject({
          message: expect.stringContaining('corrupt'),
        });
        tool.misbehave(undefined);
        const whole = await takeBackup(engine(), orderFor(pair.replica), context());
        tool.misbehave({ do: 'prepare-warns', says: 'Tablespace 7 was not found at ./shop/orders.ibd' });
        await expect(bringBack(whole, 'warned')).rejects.toMatchObject({ name: 'Restore.PrepareWarned' });
        tool.misbehave({ do: 'prepare-fails', says: 'innodb_init(): Error occurred', code: 1 });
        await expect(bringBack(whole, 'failed')).rejects.toMatchObject({ name: 'Restore.PrepareFailed' });
        expect(existsSync(join(pair.directory, 'restores/warned/mysql.ibd'))).toBe(false);
      });
    });

    // Last: it makes the server large.
    engineContract('the MySQL physical full', async () => {
      const member = memberOf(pair.replica);
      let port = 25_000 + (process.pid % 500) * 10;
      return {
        engine: engine(),
        order: orderFor(pair.replica),
        unreachable: { ...member, socket: join(pair.directory, 'nobody.sock') },
        nextPort: () => port++,
        user: 'mysql',
        directory: pair.directory,
        path: path(),
        change: async () => {
          await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('milk')");
          await pair.caughtUp();
        },
        slow: async () => {
          await pair.sql(
            pair.primary,
            'CREATE TABLE shop.large (id INT PRIMARY KEY AUTO_INCREMENT, body LONGBLOB)',
            ...Array.from({ length: 4 }, () => "INSERT INTO shop.large (body) VALUES (REPEAT('x', 8000000))"),
          );
          await pair.caughtUp();
        },
        leftovers: async () => {
          const left = (await applierRuns()) ? [] : ['the applier is stopped'];
          const found = await pair.sql(
            pair.replica,
            `SELECT OBJECT_TYPE AS type, LOCK_TYPE AS lock_type FROM performance_schema.metadata_locks
             WHERE OBJECT_TYPE IN ('BACKUP LOCK', 'GLOBAL') AND LOCK_STATUS = 'GRANTED' AND OWNER_THREAD_ID NOT IN
               (SELECT THREAD_ID FROM performance_schema.threads WHERE PROCESSLIST_USER = 'system user' OR PROCESSLIST_ID = CONNECTION_ID())`,
          );
          return [...left, ...found.map(({ type, lock_type }) => `a lock: ${type} ${lock_type}`)];
        },
        stop: async (_instance, directory) => stopRestored(directory),
        close: async () => {},
      };
    });
  },
);
