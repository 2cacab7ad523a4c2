import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeBinlogParser } from '../../runner/engines/mysql/binlog/parser.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import { makeStartServer } from '../../runner/host/start-server.ts';
import { unstable } from '../servers/unstable.ts';
import { type Pair, startPair, startProbe } from './support/mariadb-pair.ts';
import {
  backupOrderFor,
  contextIn,
  memberOf,
  orderOnTop,
  policy,
  restoreOrderFor,
  shownOf,
  stopRestored,
  storedOf,
  type Taken,
  takeBackup,
} from './support/mysql-jobs.ts';

const others = await unstable();

describe.skipIf(others.missing !== null)('MariaDB of a line after 11.1', () => {
  const { mariadb } = others as Extract<typeof others, { missing: null }>;
  let pair: Pair;
  const restored: string[] = [];
  const engine = () =>
    makeMysqlEngine({
      stateDirectory: join(pair.directory, 'state'),
      startServer: makeStartServer(mariadb.path),
    });
  const context = () => contextIn(pair.directory, { runChild: makeRunChild({ path: mariadb.path }) });

  beforeAll(async () => {
    pair = await startPair('mariadb-11', mariadb.path);
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id BIGINT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200), body LONGBLOB, KEY (note))',
      "INSERT INTO shop.orders (note, body) VALUES ('first', REPEAT('y', 1000)), (NULL, NULL), ('', '')",
      ...Array.from(
        { length: 9 },
        () => 'INSERT INTO shop.orders (note, body) SELECT note, body FROM shop.orders',
      ),
      'CREATE TABLE shop.parts (id INT, y INT, PRIMARY KEY (id, y)) PARTITION BY RANGE (y) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)',
      'INSERT INTO shop.parts VALUES (1, 1), (2, 20)',
      'CREATE TABLE shop.aria (id INT PRIMARY KEY) ENGINE=Aria',
      'INSERT INTO shop.aria VALUES (1), (2)',
      'CREATE TABLE shop.points (id INT PRIMARY KEY, v VECTOR(3) NOT NULL, VECTOR INDEX (v))',
      "INSERT INTO shop.points VALUES (1, VEC_FromText('[1,2,3]')), (2, VEC_FromText('[4,5,6]'))",
      'CREATE TABLE shop.history (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING',
      'INSERT INTO shop.history VALUES (1, 1)',
      'UPDATE shop.history SET v = 2',
      'CREATE SEQUENCE shop.numbers',
      'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
      'INSERT INTO shop.beat VALUES (0, NOW(6))',
    );
    await pair.caughtUp();
  });

  afterEach(async () => {
    for (const directory of restored.splice(0)) await stopRestored(directory);
  });
  afterAll(async () => pair?.close());

  it('writes a log that is read to its end', async () => {
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
    const bytes = readFileSync(join(pair.primary.datadir, 'binlog.000001'));
    const parser = makeBinlogParser({ from: 0, flavour: 'mariadb' }, { transaction: () => {} });
    parser.push(bytes);
    expect(parser.boundary()).toBe(bytes.length);
  });

  it.each(['replica', 'primary'] as const)(
    'is backed up on a %s that is written to, by the new names of its metadata, and brought back equal',
    async (role) => {
      const writer = await startProbe(pair.primary, 'UPDATE shop.beat SET at = NOW(6), n = n + 1');
      const taken = await takeBackup(engine(), backupOrderFor(memberOf(pair[role])), context());
      await writer.stop();
      const { manifest } = taken;
      const seen = await engine().inspect(
        { kind: 'check', engine: 'mysql', flavour: 'mariadb', member: memberOf(pair[role]), policy },
        context(),
      );
      const decided = role === 'replica' ? ['--innodb-log-checkpoint-now'] : [];
      expect(shownOf(manifest)).toEqual([...(seen.toolCommand ?? []), ...decided]);
      expect(manifest.server.version).toBe(mariadb.version);
      expect(manifest.tool.version).toBe(mariadb.version);
      expect(manifest.comparison).toBe(role === 'replica' ? 'exact' : 'bounded');
      expect(manifest.position?.kind === 'mysql' && manifest.position.gtid).toMatch(/^0-101-\d+$/);
      const files = taken.rows.flatMap((row) => (row.t === 'file' ? [row.path] : []));
      expect(files).toEqual(expect.arrayContaining(['mariadb_backup_checkpoints', 'mariadb_backup_info']));
      expect(files.filter((path) => path.startsWith('xtrabackup_'))).toEqual([]);

      const directory = join(pair.directory, 'restores', role);
      restored.push(directory);
      const order = restoreOrderFor(directory, await freePort());
      expect(await engine().restore.preflight(order, manifest, context())).toEqual({ outcome: 'ready' });
      await engine().restore.unpack(order, storedOf(taken), context());
      await engine().restore.prepare(order, manifest, context());
      const instance = await engine().restore.start(order, manifest, context());
      expect(compareFingerprints(manifest, instance.fingerprint).differences).toEqual([]);
      expect(readdirSync(directory)).not.toContain('holdfast-partial');
      const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
      const [rows] = await connection.query('SELECT VERSION() AS version, @@read_only AS ro');
      await connection.end();
      expect(rows).toEqual([{ version: expect.stringContaining(mariadb.version), ro: expect.anything() }]);
    },
  );

  it('is backed up incrementally, and comes back as its chain', async () => {
    const chain: Taken[] = [];
    const statements = [
      'INSERT INTO shop.parts VALUES (3, 3)',
      'UPDATE shop.orders SET note = "changed"',
      'DROP TABLE shop.aria',
    ];
    for (const statement of statements) {
      await pair.sql(pair.primary, statement);
      await pair.caughtUp();
      const order = orderOnTop(memberOf(pair.replica), chain);
      expect(await engine().preflight(order, context())).toEqual({ outcome: 'ready' });
      chain.push(await takeBackup(engine(), order, context()));
    }
    const [base, ...incrementals] = chain as [Taken, ...Taken[]];
    expect(incrementals.map(({ manifest }) => manifest.lsn?.from)).toEqual(
      chain.slice(0, -1).map(({ manifest }) => manifest.lsn?.to),
    );
    const directory = join(pair.directory, 'restores', 'chain');
    restored.push(directory);
    const order = restoreOrderFor(directory, await freePort());
    const { restore } = engine();
    await restore.unpack(order, storedOf(base), context());
    await restore.prepare(order, base.manifest, context());
    for (const link of incrementals) await restore.apply?.(order, storedOf(link), context());
    const last = chain.at(-1)!.manifest;
    const instance = await restore.start(order, last, context());
    expect(compareFingerprints(last, instance.fingerprint)).toMatchObject({
      comparison: 'exact',
      differences: [],
    });
  });
});
