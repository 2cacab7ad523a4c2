import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ancestorsOf } from '../../contract/mysql-files/relations.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { RestoreTablesOrder } from '../../contract/records/restore-tables.ts';
import type { Until } from '../../contract/records/until.ts';
import { freePort } from '../../infra/local/wait.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { storeLog } from '../doubles/stored-log.ts';
import { logFilesOf, planned } from './support/archived.ts';
import { type Pair, startPair } from './support/mariadb-pair.ts';
import { backupOrderFor, contextIn, memberOf, policy } from './support/mysql-jobs.ts';
import { type StoredJob, storeBackupInMemory } from './support/stored-jobs.ts';

const orders = { schema: 'shop', table: 'orders' };

describe('tables as they were at a point of the log', () => {
  let pair: Pair;
  /** Of the files of the replica, and of a dump of it. */
  let jobs: { files: StoredJob; dump: StoredJob };
  const engine = () => makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });
  const run = (...statements: string[]) => pair.sql(pair.primary, ...statements);
  const lastGtid = async () => String((await run('SELECT @@gtid_binlog_pos AS g'))[0]?.g);
  const contentOf = async (name: string) => run(`SELECT * FROM shop.${name} ORDER BY id`);

  beforeAll(async () => {
    pair = await startPair('tables-replay');
    await run(
      'CREATE DATABASE shop',
      'CREATE DATABASE side',
      'CREATE TABLE shop.customers (id INT PRIMARY KEY, name VARCHAR(50))',
      `CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT, note VARCHAR(100),
         CONSTRAINT who FOREIGN KEY (customer) REFERENCES shop.customers (id) ON DELETE CASCADE)`,
      'CREATE TABLE shop.other_s (id INT PRIMARY KEY, v INT)',
      'CREATE TABLE side.t (id INT PRIMARY KEY)',
      "INSERT INTO shop.customers SELECT seq, 'c' FROM shop.seq_1_to_100",
      "INSERT INTO shop.orders (customer, note) SELECT 1 + seq MOD 100, 'o' FROM shop.seq_1_to_1000",
      'FLUSH BINARY LOGS',
    );
    await pair.caughtUp();
    const files = backupOrderFor(memberOf(pair.replica));
    const plan = { ...files.plan, method: 'logical' as const, spoolBytes: 64 * 1024 * 1024 };
    jobs = {
      files: await storeBackupInMemory(engine(), files, contextIn(pair.directory)),
      dump: await storeBackupInMemory(engine(), { ...files, plan }, contextIn(pair.directory)),
    };
  });
  afterAll(async () => pair?.close());

  const order = async (job: StoredJob, suffix: string): Promise<RestoreTablesOrder> => ({
    kind: 'restore-tables',
    clusterId: 'shop',
    backupId: 'b-1',
    engine: 'mysql',
    flavour: 'mariadb',
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    target: {
      hostId: 'mi-0abc',
      directory: join(pair.directory, 'scratch', suffix),
      port: await freePort(),
      user: 'mysql',
    },
    manifestSha256: '0'.repeat(64),
    policy,
    member: memberOf(pair.primary),
    tables: [{ ...orders, as: `orders_${suffix}` }],
    ancestors: ancestorsOf([orders], job.manifest.relations ?? []),
  });
  const restore = async (base: keyof typeof jobs, suffix: string, until: Until) => {
    const job = jobs[base];
    await run('FLUSH BINARY LOGS');
    const from = job.manifest.position as MysqlPosition;
    const log = await planned(storeLog(logFilesOf(pair.primary), 64 * 1024), from, until, pair.directory);
    const wanted = await order(job, suffix);
    const context = contextIn(pair.directory);
    const { stored } = await job.open();
    const answer = await engine()
      .tables!.restore(wanted, stored, context, log, (_, step) => step())
      .finally(() => expect(existsSync(wanted.target.directory)).toBe(false));
    return answer;
  };

  it('M04 hold what cascades took from them, whatever else the log is of', async () => {
    await run(
      'DELETE FROM shop.customers WHERE id <= 10',
      "INSERT INTO shop.orders (customer, note) VALUES (11, 'after')",
      'ALTER TABLE shop.orders ADD COLUMN paid INT NOT NULL DEFAULT 7',
      'UPDATE shop.orders SET paid = id MOD 3',
      'INSERT INTO shop.other_s VALUES (1, 1)',
      'ALTER TABLE shop.other_s ADD COLUMN w INT',
      'CREATE TABLE side.fresh (id INT PRIMARY KEY)',
      'INSERT INTO side.fresh VALUES (1)',
      'CREATE PROCEDURE side.nothing() SELECT 1',
      'CREATE EVENT side.daily ON SCHEDULE EVERY 1 DAY DO SELECT 1',
      'CREATE VIEW shop.all_of AS SELECT * FROM shop.other_s',
      "CREATE USER somebody@localhost IDENTIFIED BY 'x'",
      'GRANT SELECT ON shop.* TO somebody@localhost',
      'DROP DATABASE side',
      'CREATE DATABASE later',
    );
    const truth = await contentOf('orders');
    expect(truth).toHaveLength(901);
    const before = await lastGtid();
    await run('DELETE FROM shop.orders');
    const answer = await restore('files', 'back', { gtid: before });
    expect(answer.tables).toMatchObject([{ as: 'orders_back', rows: 901, way: 'copy' }]);
    expect(answer.position).toMatchObject({ gtid: before });
    expect(await contentOf('orders_back')).toEqual(truth);
    expect(await contentOf('orders')).toEqual([]);
    // Of a dump the tables that foreign keys lead to are read and replayed along as well.
    const dumped = await restore('dump', 'dumped', { gtid: before });
    expect(dumped).toMatchObject({ comparison: 'exact', position: { gtid: before } });
    expect(await contentOf('orders_dumped')).toEqual(truth);
  });

  it('M04 are refused where a table comes into them from outside, by its transaction, and not before it', async () => {
    const before = await lastGtid();
    await run(
      'CREATE TABLE shop.orders_new LIKE shop.orders',
      "INSERT INTO shop.orders_new (id, note) VALUES (1, 'from outside')",
      'RENAME TABLE shop.orders TO shop.orders_old, shop.orders_new TO shop.orders',
    );
    const error = await restore('files', 'mixed', 'latest').catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: 'Restore.TableUnfit' });
    expect((error as Error).message).toMatch(/shop\.orders together with shop\.orders_new.*beforeGtid/);
    const answer = await restore('files', 'unmixed', { gtid: before });
    expect(answer.tables).toMatchObject([{ rows: 0 }]);
  });
});
