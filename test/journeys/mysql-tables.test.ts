import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ancestorsOf, type TableName, tableText } from '../../contract/mysql-files/relations.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import { indexRows } from '../../functions/restore/tables/index-rows.ts';
import { readingOf } from '../../functions/restore/tables/reading.ts';
import { installServer, type MariadbServer, startServer } from '../../infra/local/mariadb.ts';
import { openRegistry } from '../../infra/local/processes.ts';
import { freePort } from '../../infra/local/wait.ts';
import type { EngineContext } from '../../runner/engines/engine.ts';
import { thisRunner } from '../../runner/engines/mysql/applier-marker.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { readTableFacts } from '../../runner/engines/mysql/fingerprint/table-facts.ts';
import { readUserTables } from '../../runner/engines/mysql/fingerprint/user-tables.ts';
import { stagingDirectory } from '../../runner/engines/mysql/restore/marker.ts';
import { withSession } from '../../runner/engines/mysql/session.ts';
import { readDefinition } from '../../runner/engines/mysql/tables/definition.ts';
import { keyColumns, keyRanges } from '../../runner/engines/mysql/tables/key-ranges.ts';
import { readLiveFacts } from '../../runner/engines/mysql/tables/live-facts.ts';
import { writeNote } from '../../runner/engines/mysql/tables/tables-note.ts';
import { type Pair, startPair, startProbe } from './support/mariadb-pair.ts';
import { backupOrderFor, contextIn, memberOf, policy } from './support/mysql-jobs.ts';
import { type StoredJob, storeBackupInMemory } from './support/stored-jobs.ts';

const kinds = [
  `CREATE TABLE shop.customers (id INT PRIMARY KEY, name VARCHAR(50), boss INT,
     CONSTRAINT boss FOREIGN KEY (boss) REFERENCES shop.customers (id))`,
  "INSERT INTO shop.customers VALUES (1, 'ann', NULL), (2, 'bob', 1)",
  `CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, customer INT, note VARCHAR(200) CHARACTER SET latin1,
     twice BIGINT AS (id * 2) VIRTUAL, kept BIGINT AS (hidden * 3) STORED, hidden INT INVISIBLE DEFAULT 7,
     CONSTRAINT who FOREIGN KEY (customer) REFERENCES shop.customers (id) ON DELETE CASCADE, CHECK (hidden IS NULL OR hidden > 0))`,
  "INSERT INTO shop.orders (customer, note, hidden) VALUES (1, 'größe', 8), (2, '', NULL), (NULL, NULL, 9)",
  'INSERT INTO shop.orders (customer, note) SELECT 1 + seq MOD 2, REPEAT(CHAR(65 + seq MOD 26), 150) FROM shop.seq_1_to_20000',
  "SET sql_mode='NO_AUTO_VALUE_ON_ZERO'",
  'INSERT INTO shop.orders (id, customer) VALUES (0, 1)',
  'DELETE FROM shop.orders WHERE id > 19990',
  `CREATE TABLE shop.parts (id INT, y INT, v VARCHAR(20), PRIMARY KEY (id, y))
     PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)`,
  'INSERT INTO shop.parts SELECT seq, seq MOD 20, seq FROM shop.seq_1_to_500',
  'CREATE TABLE shop.texts (id INT PRIMARY KEY AUTO_INCREMENT, t TEXT, FULLTEXT KEY words (t))',
  "INSERT INTO shop.texts (t) VALUES ('brave new world'), ('hello world'), (NULL)",
  'CREATE TABLE shop.dense (id INT PRIMARY KEY, t TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8',
  "INSERT INTO shop.dense SELECT seq, REPEAT('dense ', 100) FROM shop.seq_1_to_300",
  'CREATE TABLE shop.compact (id INT PRIMARY KEY, t VARCHAR(100)) ROW_FORMAT=COMPACT',
  "INSERT INTO shop.compact SELECT seq, 'c' FROM shop.seq_1_to_300",
  'CREATE TABLE shop.grown (id INT PRIMARY KEY, a INT)',
  'INSERT INTO shop.grown SELECT seq, seq FROM shop.seq_1_to_100',
  'ALTER TABLE shop.grown ADD COLUMN b VARCHAR(10) DEFAULT "new" FIRST, ALGORITHM=INSTANT',
  'ALTER TABLE shop.grown DROP COLUMN a, ALGORITHM=INSTANT',
  'INSERT INTO shop.grown (id) SELECT seq FROM shop.seq_101_to_120',
  `CREATE TABLE shop.blobs (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT CHARACTER SET latin1)`,
  "INSERT INTO shop.blobs VALUES (1, UNHEX(REPEAT('00FF27225C0A', 1000)), ''), (2, REPEAT(UNHEX('8100'), 3500000), NULL), (3, '', REPEAT('ü', 2000000)), (4, NULL, 'x')",
  'CREATE DATABASE `odd ``?b`',
  `CREATE TABLE \`odd \`\`?b\`.\`t?'"x\` (id INT PRIMARY KEY, g GEOMETRY, bi BIT(33), j JSON, f FLOAT, d DOUBLE, de DECIMAL(30,10),
     u UUID, i6 INET6, ts TIMESTAMP(6) NULL, dt DATETIME(3), ti TIME(2), y YEAR, da DATE, e ENUM('a','ü','c,d'), s SET('x','y','z'),
     c CHAR(10), bin BINARY(4), vb VARBINARY(10), z INT(8) ZEROFILL, u2 VARCHAR(20) CHARACTER SET ucs2, \`ü\` TINYINT UNSIGNED)`,
  "SET sql_mode=''",
  `INSERT INTO \`odd \`\`?b\`.\`t?'"x\` VALUES (1, ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326), b'100000000000000000000000000000001', '{"a":[1,"ü"]}',
     1.2345678, 0.1e-300, 12345678901234567890.0123456789, UUID(), '2001:db8::1:2345', '2026-01-02 03:04:05.678901', '0000-00-00 00:00:00',
     '-838:59:58.99', 0, '0000-00-00', 'c,d', 'x,z', 'pad  ', x'00FF', x'2700', 42, 'ÄÖ', 255),
     (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
     (3, POINT(1,2), 0, 'null', -3.4e38, -1.7976931348623157e308, -0.0000000001, UUID(), '::1', NULL, NOW(3), '00:00:00', 1901, '9999-12-31', 'nope', '', '', x'', x'', 0, '', 0)`,
  'CREATE TABLE shop.history (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING',
  'INSERT INTO shop.history VALUES (1, 1), (2, 1)',
  'UPDATE shop.history SET v = 2',
  'DELETE FROM shop.history WHERE id = 2',
  'CREATE TABLE shop.aria (id INT PRIMARY KEY, v VARCHAR(10)) ENGINE=Aria',
  "INSERT INTO shop.aria VALUES (1, 'a'), (2, 'b')",
  'CREATE SEQUENCE shop.numbers',
  'CREATE TABLE shop.ballast (id INT PRIMARY KEY AUTO_INCREMENT, v VARBINARY(200))',
  'INSERT INTO shop.ballast (v) SELECT RANDOM_BYTES(200) FROM shop.seq_1_to_60000',
  'CREATE TABLE shop.keyed (a DECIMAL(10,2), b VARCHAR(20) COLLATE utf8mb4_general_ci, c DATETIME(3), d VARBINARY(8), PRIMARY KEY (b, c, a, d))',
  `INSERT INTO shop.keyed SELECT (seq MOD 7) / 4, CONCAT(ELT(1 + seq MOD 5, 'ä', 'B', 'a', '', 'z '), seq MOD 3),
     '2026-01-01' + INTERVAL seq MOD 11 SECOND, CHAR(seq MOD 256) FROM shop.seq_1_to_900`,
  'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
  'INSERT INTO shop.beat VALUES (0, NOW(6))',
];

const shop = (...names: string[]): TableName[] => names.map((table) => ({ schema: 'shop', table }));
const odd: TableName = { schema: 'odd `?b', table: 't?\'"x' };
const every = [
  ...shop(
    'customers',
    'orders',
    'parts',
    'texts',
    'dense',
    'compact',
    'grown',
    'blobs',
    'history',
    'aria',
    'keyed',
  ),
  odd,
];

describe('tables of a physical backup, beside the live ones', () => {
  let pair: Pair;
  let alone: MariadbServer;
  let registry: ReturnType<typeof openRegistry>;
  let stateDirectory: string;
  let job: StoredJob;
  const engine = () => makeMysqlEngine({ stateDirectory });
  const tablesEngine = () => engine().tables!;

  beforeAll(async () => {
    pair = await startPair('tables');
    stateDirectory = join(pair.directory, 'state');
    await pair.sql(pair.primary, 'CREATE DATABASE shop', ...kinds);
    await pair.caughtUp();
    registry = openRegistry(join(pair.directory, 'processes-alone'));
    const plan = {
      name: 'alone',
      directory: join(pair.directory, 'alone'),
      socket: join(pair.directory, 'alone-run', 's.sock'),
      port: await freePort(),
      serverId: 103,
      options: {
        'innodb-buffer-pool-size': '32M',
        'innodb-log-file-size': '48M',
        'innodb-default-row-format': 'compact',
        'skip-log-bin': '',
      },
      registry,
    };
    mkdirSync(plan.directory, { recursive: true });
    installServer(plan);
    alone = await startServer(plan);
    await pair.sql(alone, 'CREATE DATABASE shop', 'CREATE DATABASE `odd ``?b`');
    // Of another restore of tables, in the middle of its work: no backup needs it, and none fails over it.
    const unfinished = 'shop.holdfast_0123456789ab_0_space';
    await pair.sql(
      pair.replica,
      'SET sql_log_bin = 0',
      `CREATE TABLE ${unfinished} (id INT PRIMARY KEY)`,
      `ALTER TABLE ${unfinished} DISCARD TABLESPACE`,
    );
    job = await storeBackupInMemory(
      engine(),
      backupOrderFor(memberOf(pair.replica)),
      contextIn(pair.directory),
    );
    await pair.sql(pair.replica, 'SET sql_log_bin = 0', `DROP TABLE ${unfinished}`);
    expect(job.manifest.comparison).toBe('exact');
    expect(job.manifest.fingerprint.tables.some(({ table }) => table.startsWith('holdfast'))).toBe(false);
  });
  afterAll(async () => {
    await registry?.stopAll();
    await pair?.close();
  });

  let restores = 0;
  const orderFor = async (
    tables: readonly TableName[],
    server: MariadbServer,
    suffix: string,
  ): Promise<RestoreTablesOrder> => ({
    kind: 'restore-tables',
    clusterId: 'shop',
    backupId: 'b-1',
    engine: 'mysql',
    flavour: 'mariadb',
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    target: {
      hostId: 'mi-0abc',
      directory: join(pair.directory, 'scratch', `t${restores++}`),
      port: await freePort(),
      user: 'mysql',
    },
    manifestSha256: '0'.repeat(64),
    policy,
    member: memberOf(server),
    tables: tables.map((of) => ({ ...of, as: `${of.table}_restored_${suffix}` })),
    ancestors: ancestorsOf(tables, job.manifest.relations ?? []),
  });
  const restore = async (order: RestoreTablesOrder, changes: Partial<EngineContext> = {}) => {
    const context = contextIn(pair.directory, changes);
    expect(await tablesEngine().preflight(order, job.manifest, context)).toEqual({ outcome: 'ready' });
    const { stored, fetched } = await job.open();
    const answer = await tablesEngine().restore(order, stored, context, undefined, (_, step) => step());
    return { ...answer, fetched: fetched() };
  };
  /** Facts of tables by name, read as the fingerprint reads them. */
  const factsOf = async (server: MariadbServer, wanted: readonly TableName[]) =>
    withSession(
      { user: 'root', password: undefined, address: { socket: server.socket } },
      new AbortController().signal,
      async (session) => {
        const known = await readUserTables(session);
        const facts = [];
        for (const { schema, table } of wanted) {
          const found = known.find((of) => of.schema === schema && of.table === table);
          const { rows, checksum } = found
            ? await readTableFacts(session, found, undefined)
            : { rows: -1, checksum: null };
          facts.push({ rows, checksum });
        }
        return facts;
      },
    );
  const working = async (server: MariadbServer) =>
    pair.sql(server, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'holdfast%'");

  it('M05 come through the log where there is a replica, of every kind, and the replica has them too', async () => {
    const probe = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
    const order = await orderFor(every, pair.primary, 'all');
    const { tables, comparison } = await restore(order);
    expect((await probe.stop()).slowestMs).toBeLessThan(5000);
    expect(comparison).toBe('exact');
    expect(tables.map(({ way }) => way)).toEqual(every.map(() => 'copy'));
    const notesOf = (name: string) => tables.find(({ table }) => table === name)?.notes;
    expect(notesOf('orders')).toEqual(['without its foreign key who']);
    const asText = tables.filter(({ notes }) => notes.some((note) => note.startsWith('rows copied as text')));
    expect(asText.map(({ table }) => table)).toEqual(['parts', 'texts', 'history', 'aria']);
    const restored = order.tables.map(({ schema, as }) => ({ schema, table: as }));
    const before = await factsOf(pair.primary, every);
    expect(before.every(({ rows }) => rows > 0)).toBe(true);
    expect(await factsOf(pair.primary, restored)).toEqual(before);
    await pair.caughtUp();
    expect(await factsOf(pair.replica, restored)).toEqual(before);
    const [replica] = await pair.sql(pair.replica, 'SHOW ALL SLAVES STATUS');
    expect(replica).toMatchObject({ Slave_SQL_Running: 'Yes', Slave_IO_Running: 'Yes', Last_SQL_Error: '' });
    expect(
      await pair.sql(
        pair.primary,
        "SELECT id FROM shop.texts_restored_all WHERE MATCH (t) AGAINST ('brave')",
      ),
    ).toEqual([{ id: 1 }]);
    const bits =
      'SELECT HEX(CAST(f * 1e0 AS DOUBLE)) AS f, f = 1.2345678 AS same, e + 0 AS e FROM `odd ``?b`.`%` WHERE id = 1';
    const floats = async (name: string) =>
      pair.sql(
        pair.primary,
        bits.replace('%', () => name),
      );
    expect(await floats('t?\'"x_restored_all')).toEqual(await floats('t?\'"x'));
    const next = async (name: string, server: MariadbServer) =>
      (
        await pair.sql(
          server,
          `SELECT AUTO_INCREMENT AS n FROM information_schema.TABLES WHERE TABLE_NAME = '${name}'`,
        )
      )[0]?.n;
    expect(await next('orders_restored_all', pair.primary)).toBe(await next('orders', pair.replica));
    expect(await working(pair.primary)).toEqual([]);
    expect(existsSync(order.target.directory)).toBe(false);
  });

  it('M05 come as tablespaces where nobody follows the server, and what cannot is copied, with the reason', async () => {
    const order = await orderFor(every, alone, 'one');
    const { tables } = await restore(order);
    const restored = order.tables.map(({ schema, as }) => ({ schema, table: as }));
    expect(await factsOf(alone, restored)).toEqual(await factsOf(pair.primary, every));
    expect(Object.fromEntries(tables.map(({ table, way }) => [table, way]))).toMatchObject({
      customers: 'import',
      orders: 'import',
      dense: 'import',
      compact: 'import',
      grown: 'import',
      blobs: 'import',
      parts: 'copy',
      texts: 'copy',
      history: 'copy',
      aria: 'copy',
    });
    for (const { schema, table } of restored) {
      const [checked] = await pair.sql(alone, `CHECK TABLE \`${schema.replaceAll('`', '``')}\`.\`${table}\``);
      expect(checked).toMatchObject({ Msg_text: 'OK' });
    }
  });

  it('M05 are cut into ranges of any key that together hold every row once', async () => {
    const login = { user: 'root', password: undefined, address: { socket: pair.primary.socket } };
    await withSession(login, new AbortController().signal, async (session) => {
      const known = await readUserTables(session);
      for (const table of ['keyed', 'customers', 'blobs']) {
        const source = known.find((of) => of.table === table)!;
        const working = { schema: 'shop', table: 'holdfast_defined' };
        const { keyParts } = await readDefinition(session, source, working);
        const key = keyColumns(keyParts)!;
        const keyed = {
          from: `shop.${table}`,
          key,
          rowBytes: 400_000,
          large: table === 'blobs' ? ['b'] : [],
        };
        const counts: number[] = [];
        for await (const { where } of keyRanges(session, keyed)) {
          counts.push(
            Number((await session.rows(`SELECT COUNT(*) AS n FROM shop.${table} WHERE ${where}`))[0]?.n),
          );
        }
        const [all] = await session.rows(`SELECT COUNT(*) AS n FROM shop.${table}`);
        expect(counts.reduce((sum, n) => sum + n, 0)).toBe(Number(all?.n));
        expect(Math.max(...counts)).toBeLessThanOrEqual(20);
        if (table === 'keyed') expect(counts.length).toBeGreaterThan(20);
      }
      // What is compared of a large table is read in ranges, two at once, and says the same.
      const large = known.find((of) => of.table === 'ballast')!;
      const ranges = [1, 20_001, 40_001].map((from) => ({ from: `${from}`, to: `${from + 9_999}` }));
      const { rows, checksum } = await readTableFacts(session, large, ranges);
      expect(rows).toBeGreaterThan(20_000);
      const { signal } = new AbortController();
      expect(await readLiveFacts({ session, login }, large, ranges, signal)).toEqual({ rows, checksum });
    });
  });

  it('M12 are read by the frames that the plan counts, and by no others', async () => {
    // The log of the restore's own sessions is one of rows, whatever that of others is.
    await pair.sql(pair.primary, "SET GLOBAL binlog_format = 'STATEMENT'");
    const order = await orderFor(shop('orders'), pair.primary, 'few');
    const { fetched, tables } = await restore(order).finally(() =>
      pair.sql(pair.primary, "SET GLOBAL binlog_format = 'ROW'"),
    );
    expect(tables).toMatchObject([{ table: 'orders', rows: 19_991, notes: ['without its foreign key who'] }]);
    await pair.caughtUp();
    const few = shop('orders_restored_few');
    expect(await factsOf(pair.replica, few)).toEqual(await factsOf(pair.primary, few));
    const { manifest, objects } = job;
    const [stream] = manifest.streams;
    const set = { tables: order.tables, ancestors: order.ancestors, relations: manifest.relations };
    const { reading, absent, faults } = await readingOf(
      set,
      indexRows(objects.get(stream!.index.key)!, 'main'),
    );
    expect([...absent, ...faults]).toEqual([]);
    const parts = [reading.tables, reading.ancestors, reading.fixed];
    expect(parts.reduce((sum, { readBytes }) => sum + readBytes, 0)).toBe(fetched);
    for (const { storedBytes } of parts) expect(storedBytes).toBeGreaterThan(0);
    expect(fetched).toBeLessThan(stream!.storedBytes);
  });

  it('leave nothing behind where they end in the middle, on primary or replica', async () => {
    const order = await orderFor(shop('compact', 'orders', 'blobs'), pair.primary, 'half');
    const stop = new AbortController();
    const running = restore(order, {
      signal: stop.signal,
      progress: (phase, rows) => {
        if (phase === 'copying rows' && (rows ?? 0) > 5000) stop.abort(new Error('enough'));
      },
    });
    await expect(running).rejects.toThrow('enough');
    expect(await working(pair.primary)).toEqual([]);
    await pair.caughtUp();
    expect(await working(pair.replica)).toEqual([]);
    expect(existsSync(order.target.directory)).toBe(false);
    expect(readdirSync(join(stateDirectory, 'tables'))).toEqual([]);
    expect((await factsOf(pair.primary, shop('compact_restored_half')))[0]?.rows).toBe(-1);
  });

  it('F11 are cleared away by the next who comes to the host where their runner was killed, and not while it lives', async () => {
    const scratch = join(pair.directory, 'scratch', 'killed');
    mkdirSync(join(stagingDirectory(scratch), 'shop'), { recursive: true });
    await pair.sql(
      pair.primary,
      'CREATE TABLE shop.holdfast_killed_0 (id INT PRIMARY KEY)',
      'SET sql_log_bin = 0',
      'CREATE TABLE shop.holdfast_killed_0_space (id INT PRIMARY KEY)',
      'ALTER TABLE shop.holdfast_killed_0_space DISCARD TABLESPACE',
    );
    const note = {
      v: 1 as const,
      backupId: 'b-1',
      directory: scratch,
      member: memberOf(pair.primary),
      working: [{ schema: 'shop', table: 'holdfast_killed_0' }],
      unlogged: [{ schema: 'shop', table: 'holdfast_killed_0_space' }],
    };
    const removeOwn = await writeNote(stateDirectory, 'killed', { ...note, runner: thisRunner() });
    expect(await engine().sweepHost(contextIn(pair.directory))).toBe(0);
    expect(await working(pair.primary)).toHaveLength(2);
    await removeOwn();
    await writeNote(stateDirectory, 'killed', { ...note, runner: { pid: 2 ** 22, startTime: '0' } });
    expect(await engine().sweepHost(contextIn(pair.directory))).toBe(0);
    expect(await working(pair.primary)).toEqual([]);
    expect(existsSync(scratch)).toBe(false);
    expect(readdirSync(join(stateDirectory, 'tables'))).toEqual([]);
    await pair.caughtUp();
    expect(await working(pair.replica)).toEqual([]);
  });

  it('are refused before anything is touched where the name is taken, the member is a replica or may not', async () => {
    const context = contextIn(pair.directory);
    const refusal = async (order: RestoreTablesOrder) =>
      tablesEngine().preflight(order, job.manifest, context);
    expect(await refusal(await orderFor(shop('orders'), pair.primary, 'few'))).toMatchObject({
      outcome: 'refused',
      name: 'Restore.TableExists',
      cause: expect.stringContaining(tableText({ schema: 'shop', table: 'orders_restored_few' })),
    });
    expect(await refusal(await orderFor(shop('orders'), pair.replica, 'r'))).toMatchObject({
      name: 'Restore.MemberUnfit',
      cause: expect.stringContaining('name the primary'),
    });
    await pair.sql(
      pair.primary,
      "CREATE USER weak@localhost IDENTIFIED BY 'weak'",
      'GRANT PROCESS, SLAVE MONITOR, SELECT, INSERT ON *.* TO weak@localhost',
      'GRANT CREATE, DROP ON `sh_p`.* TO weak@localhost',
    );
    const member = memberOf(pair.primary, { kind: 'secret', name: 'holdfast/mi-0abc/weak' });
    const weak = await orderFor(shop('orders'), pair.primary, 'w');
    const asWeak = contextIn(pair.directory, {
      readSecret: async () => JSON.stringify({ user: 'weak', password: 'weak' }),
    });
    expect(await tablesEngine().preflight({ ...weak, member }, job.manifest, asWeak)).toEqual({
      outcome: 'refused',
      name: 'Restore.MemberUnfit',
      cause: 'into: the account of primary lacks ALTER ON shop.*',
    });
    await pair.sql(pair.primary, 'GRANT CREATE, ALTER, DROP ON shop.* TO weak@localhost');
    const slower = { ...(await orderFor(shop('compact'), pair.primary, 'w')), member };
    const { tables } = await restore(slower, asWeak);
    expect(tables[0]?.notes).toEqual([expect.stringMatching(/^rows copied as text.*BINLOG ADMIN/)]);
    await pair.caughtUp();
    const compact = shop('compact_restored_w');
    expect(await factsOf(pair.replica, compact)).toEqual(await factsOf(pair.primary, shop('compact')));
  });
});
