import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type S3Server, startS3Server } from '../doubles/s3-server.ts';
import { startMysql } from '../servers/mysql.ts';
import { type MysqlPair, startMysqlPair } from '../servers/mysql-pair.ts';
import { unstable } from '../servers/unstable.ts';
import { archiveOrder, archiverAt, expectChain, filesOf, segmentsIn } from './support/archive.ts';
import { startProbe } from './support/mariadb-pair.ts';

const others = await unstable();

describe.skipIf(others.missing !== null)('archiving of a real MySQL', () => {
  const { mysql } = others as Extract<typeof others, { missing: null }>;
  let pair: MysqlPair;
  let s3: S3Server;
  let agents = 0;
  const agentDirectory = () => join(pair.directory, `agent-${agents++}`);
  const order = (server: MysqlPair['primary'], archive: Parameters<typeof archiveOrder>[1]) => ({
    ...archiveOrder(server, archive),
    flavour: 'mysql' as const,
  });
  const executed = async (server = pair.primary) =>
    String((await pair.sql(server, 'SELECT @@GLOBAL.gtid_executed AS gtid'))[0]?.gtid).replace(/\s/g, '');

  beforeAll(async () => {
    s3 = await startS3Server();
    pair = await startMysqlPair('mysql-9-archive', mysql.path);
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(200))',
      'CREATE TABLE shop.blobs (id INT PRIMARY KEY, b LONGBLOB)',
    );
  });
  afterAll(async () => {
    await s3?.stop();
    await pair?.close();
  });

  it('stores every byte with writers running, over a rotation; what is stored was committed', async () => {
    const archiver = archiverAt(s3, order(pair.primary, { timeline: 'writers' }), agentDirectory());
    const probe = await startProbe(pair.primary, "INSERT INTO shop.orders (note) VALUES (REPEAT('n', 150))");
    const began = Date.now() * 1000;
    for (let i = 0; i < 15; i++) {
      if (i === 7) await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
      await archiver.tick();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { commits } = await probe.stop();
    await archiver.drained();
    const segments = segmentsIn(s3, 'writers');
    expectChain(segments);
    expect(segments.at(-1)!.header.end.gtid).toBe(await executed());
    for (const [name, bytes] of filesOf(segments)) {
      const there = readFileSync(join(pair.primary.datadir, name.split('/')[1]!));
      there[21]! &= ~1;
      expect(bytes.equals(there.subarray(0, bytes.length))).toBe(true);
    }
    const rows = segments.flatMap(({ index }) =>
      index.transactions.filter(({ tables, ddl }) =>
        ddl ? false : tables?.some((n) => index.tables[n]!.join('.') === 'shop.orders'),
      ),
    );
    expect(rows.length).toBe(commits);
    // Microseconds of the commits themselves.
    expect(rows.every(({ time }) => time >= began && time <= Date.now() * 1000)).toBe(true);
    await archiver.close();
  });

  it('M22 knows transactions that are large, prepared by XA, compressed, or definitions', async () => {
    const archiver = archiverAt(s3, order(pair.primary, { timeline: 'kinds' }), agentDirectory());
    await archiver.drained();
    await pair.sql(
      pair.primary,
      "INSERT INTO shop.blobs VALUES (1, REPEAT('b', 2000000))",
      "XA START 'k'",
      "INSERT INTO shop.orders (note) VALUES ('prepared')",
      "XA END 'k'",
      "XA PREPARE 'k'",
      "XA COMMIT 'k'",
      'SET SESSION binlog_transaction_compression = ON',
      "INSERT INTO shop.orders (note) VALUES (REPEAT('c', 190))",
      // 3 MB that cannot be made smaller: it goes over many segments.
      'SET SESSION cte_max_recursion_depth = 4000',
      `INSERT INTO shop.blobs WITH RECURSIVE n AS (SELECT 2 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
        SELECT i, RANDOM_BYTES(1000) FROM n`,
      'SET SESSION binlog_transaction_compression = OFF',
      'CREATE TABLE shop.copied AS SELECT * FROM shop.orders LIMIT 3',
      'DROP TABLE shop.copied',
    );
    await archiver.drained();
    const segments = segmentsIn(s3, 'kinds');
    expectChain(segments);
    expect(segments.some(({ header }) => header.openAfter !== null)).toBe(true);
    const found = segments.flatMap(({ index }) => index.transactions).slice(-7);
    expect(found.map(({ ddl, xa, unsure }) => ddl ?? xa?.does ?? (unsure ? 'unsure' : 'rows'))).toEqual([
      'rows',
      'prepare',
      'commit',
      'rows',
      'rows',
      'create table',
      'drop table',
    ]);
    const touched = segments.flatMap(({ index }) =>
      index.transactions.map(({ tables = [] }) => tables.map((n) => index.tables[n]!.join('.'))),
    );
    expect(touched.slice(-4, -2)).toEqual([['shop.orders'], ['shop.blobs']]);
    expect(found[4]!.bytes).toBeGreaterThan(2_500_000);
    expect(segments.at(-1)!.header.end.gtid).toBe(await executed());
    await archiver.close();
  });

  it('goes on after a crash, and with the replica at a failover', async () => {
    const archiver = archiverAt(s3, order(pair.primary, { timeline: 'failover' }), agentDirectory());
    await archiver.drained();
    await pair.primary.kill();
    await archiver.tick();
    expect(archiver.state().state).toBe('failing');
    pair.primary = await startMysql({ ...pair.primary, path: mysql.path });
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('after')");
    await archiver.drained();
    const after = archiver.state().newest!;
    await archiver.close();
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('by the other one')");
    await pair.caughtUp();
    const next = order(pair.replica, { timeline: 'failover', epoch: 2, after });
    const second = archiverAt(s3, next, agentDirectory());
    await second.drained();
    const segments = segmentsIn(s3, 'failover');
    expectChain(segments);
    expect(segments.at(-1)!.header).toMatchObject({ memberId: 'replica', end: { gtid: await executed() } });
    await second.close();
  });

  it('M03 has positions only without GTIDs, which no other log is joined to', async () => {
    const own = { directory: agentDirectory(), order: order(pair.primary, { timeline: 'positions' }) };
    const gtids = archiverAt(s3, order(pair.primary, { timeline: 'until' }), agentDirectory());
    await gtids.drained();
    for (const mode of ['ON_PERMISSIVE', 'OFF_PERMISSIVE'])
      await pair.sql(pair.primary, `SET GLOBAL gtid_mode = ${mode}`);
    const between = archiverAt(s3, own.order, own.directory);
    await between.tick();
    expect(between.state()).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('gtid_mode is OFF_PERMISSIVE'),
    });
    await between.close();
    await pair.sql(pair.primary, 'SET PERSIST gtid_mode = OFF');
    const after = gtids.state().newest!;
    await gtids.close();
    const gap = archiverAt(s3, order(pair.primary, { timeline: 'until', after }), agentDirectory());
    await gap.tick();
    expect(gap.state()).toMatchObject({ state: 'dead-branch', reason: expect.stringContaining('gtid_mode') });
    await gap.close();

    const insert = "INSERT INTO shop.orders (note) VALUES ('without')";
    const first = archiverAt(s3, own.order, own.directory);
    await first.drained();
    await pair.sql(pair.primary, insert, 'FLUSH BINARY LOGS', insert);
    await first.drained();
    await first.close();
    await pair.primary.kill();
    pair.primary = await startMysql({ ...pair.primary, path: mysql.path });
    await pair.sql(pair.primary, insert, 'CREATE TABLE shop.more (id INT PRIMARY KEY)');
    const second = archiverAt(s3, own.order, own.directory);
    await second.drained();
    const segments = segmentsIn(s3, 'positions');
    expectChain(segments);
    const files = filesOf(segments);
    expect(files.size).toBe(3);
    for (const [name, bytes] of files) {
      const there = readFileSync(join(pair.primary.datadir, name.split('/')[1]!));
      there[21]! &= ~1;
      expect(bytes.equals(there.subarray(0, bytes.length))).toBe(true);
    }
    const found = segments.flatMap(({ index }) => index.transactions);
    expect(found.map(({ gtid, ddl }) => [gtid, ddl])).toEqual([
      ['', undefined],
      ['', undefined],
      ['', undefined],
      ['', 'create table'],
    ]);
    expect(segments.every(({ header }) => header.anonymous && header.end.gtid === '')).toBe(true);
    await second.close();

    const other = order(pair.replica, { timeline: 'positions', epoch: 2, after: segments.at(-1)!.end });
    const joined = archiverAt(s3, other, agentDirectory());
    await joined.tick();
    // The replica has GTIDs still.
    expect(joined.state()).toMatchObject({ state: 'dead-branch' });
    await joined.close();
    // A file that nobody archived is missing between: its server says nothing of it without GTIDs.
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS', insert, 'FLUSH BINARY LOGS', insert);
    const { File } = (await pair.sql(pair.primary, 'SHOW BINARY LOG STATUS'))[0] as { File: string };
    await pair.sql(pair.primary, `PURGE BINARY LOGS TO '${File}'`);
    const third = archiverAt(s3, own.order, own.directory);
    await third.tick();
    expect(third.state()).toMatchObject({
      state: 'gap',
      reason: expect.stringContaining(`oldest log ${File}`),
    });
    await third.close();
  });
});
