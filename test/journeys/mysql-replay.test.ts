import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { RestoreOrder } from '../../contract/records/job.ts';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { type Part, storeLog } from '../doubles/stored-log.ts';
import { assembled, planned } from './support/archived.ts';
import { type Pair, startPair } from './support/mariadb-pair.ts';
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
import { type ReplayStand, standOn } from './support/replay-stand.ts';
import { seededRandom } from './support/seeded-random.ts';
import { startShadowWriter } from './support/shadow-writer.ts';

const seed = 20261125;

const gtid = (text: string): MysqlPosition => ({ kind: 'mysql', flavour: 'mariadb', gtid: text });

describe('the replay of an archived log on MariaDB', () => {
  let pair: Pair;
  let taken: Taken;
  let stand: ReplayStand | undefined;
  const restored: string[] = [];
  const engine = () => makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });
  const binlogs = () =>
    readdirSync(pair.primary.datadir)
      .filter((name) => /^binlog\.\d+$/.test(name))
      .sort()
      .map((name) => ({ name, path: join(pair.primary.datadir, name) }));
  const parts = (): Part[] =>
    binlogs().map((file) => ({ ...file, memberId: 'db1', server: { uuid: 'one', serverId: 101 } }));
  const from = () => taken.manifest.position as MysqlPosition;
  const standsAt = async () =>
    gtid(String((await pair.sql(pair.primary, 'SELECT @@gtid_binlog_pos AS g'))[0]?.g));

  const target = async (name: string): Promise<RestoreOrder> => {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    return restoreOrderFor(directory, await freePort());
  };
  const prepared = async (name: string) => {
    const order = await target(name);
    const context = contextIn(pair.directory);
    await engine().restore.unpack(order, storedOf(taken), context);
    await engine().restore.prepare(order, taken.manifest, context);
    return order;
  };
  const open = async (name: string) => {
    stand = await standOn(await prepared(name), taken.manifest, pair.directory);
    return stand;
  };

  beforeAll(async () => {
    pair = await startPair('replay');
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.a (n INT PRIMARY KEY, note VARCHAR(100))',
      'CREATE TABLE shop.b (n INT PRIMARY KEY, note VARCHAR(100))',
      'CREATE TABLE shop.c (n INT PRIMARY KEY, note VARCHAR(100))',
      'CREATE TABLE shop.kept (id INT PRIMARY KEY, v INT)',
      'INSERT INTO shop.kept VALUES (1, 1), (2, 2)',
      'FLUSH BINARY LOGS',
    );
    await pair.caughtUp();
    taken = await takeBackup(engine(), backupOrderFor(memberOf(pair.replica)), contextIn(pair.directory));
  });
  afterEach(async () => {
    await stand?.close();
    stand = undefined;
    for (const directory of restored.splice(0)) await stopRestored(directory);
  });
  afterAll(async () => pair?.close());

  it('M13 stops exactly at twenty random points, ten in each of two domains, with DDL in between, as a shadow log of the commits says', async () => {
    const writers = await Promise.all([
      startShadowWriter(pair.primary, { table: 'a', domain: 0, alterEvery: 40 }),
      startShadowWriter(pair.primary, { table: 'b', domain: 0 }),
      startShadowWriter(pair.primary, { table: 'c', domain: 7 }),
    ]);
    await expect
      .poll(() => Math.min(...writers.map(({ commits }) => commits.length)), { timeout: 30_000 })
      .toBeGreaterThan(120);
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
    await expect
      .poll(() => Math.min(...writers.map(({ commits }) => commits.length)), { timeout: 30_000 })
      .toBeGreaterThan(200);
    for (const writer of writers) await writer.stop();

    const random = seededRandom(seed);
    const choose = (domain: number) => {
      const seqs = writers.flatMap((w) => (w.domain === domain ? w.commits.map(({ seq }) => seq) : []));
      return Array.from({ length: 10 }, () => seqs[Math.floor(random() * seqs.length)]!).sort(
        (x, y) => x - y,
      );
    };
    const [zero, seven] = [choose(0), choose(7)];
    const at = await open('points');
    let position = from();
    for (const [i, seq] of zero.entries()) {
      const until = gtid(`0-101-${seq},7-101-${seven[i]}`);
      const outcome = await at.replay({ files: binlogs(), from: position, until }, i % 2 === 0 ? 4 : 0);
      expect(outcome.reached).toEqual(until);
      for (const writer of writers) {
        const most = writer.domain === 0 ? seq : seven[i]!;
        const n = writer.commits.filter((commit) => commit.seq <= most).at(-1)?.n ?? 0;
        const [row] = await at.rows(
          `SELECT COUNT(*) AS c, COALESCE(SUM(n), 0) AS s FROM shop.${writer.table}`,
        );
        expect([writer.table, row?.c, row?.s]).toEqual([writer.table, `${n}`, `${(n * (n + 1)) / 2}`]);
      }
      position = until;
    }
    expect(await at.rows('SHOW ALL SLAVES STATUS')).toEqual([]);
  });

  it('M16 M17 goes on after what a backup holds, to a point that holds accounts, and leaves a server that nothing reaches', async () => {
    await pair.sql(
      pair.primary,
      "CREATE USER late@localhost IDENTIFIED BY 'p'",
      'GRANT SELECT ON shop.* TO late@localhost',
      "CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM shop.kept",
      'UPDATE shop.kept SET v = 10 WHERE id = 1',
    );
    const until = await standsAt();
    await pair.sql(pair.primary, 'DELETE FROM shop.kept');
    const order = await prepared('whole');
    const last = until.gtid.split(',').find((text) => text.startsWith('0-'))!;
    const log = await planned(storeLog(parts(), 7000), from(), { gtid: last }, pair.directory);
    // Within the file the primary writes to, whose later half is archived as well.
    expect(log.until).toMatchObject(until);
    const instance = await engine().restore.start(order, taken.manifest, contextIn(pair.directory), log);
    expect(instance.position).toEqual(until);
    expect(readdirSync(order.target.directory)).not.toContain('.holdfast-replay');
    expect(instance.replay).toMatchObject({ prepared: [], disabledEvents: ['shop.nightly'] });
    expect(compareFingerprints(taken.manifest, instance.fingerprint).differences).toEqual([]);
    const left = readdirSync(order.target.directory);
    expect(left.filter((name) => /holdfast-replay|relay|^master|partial/.test(name))).toEqual([]);

    const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
    const rows = async (sql: string) => (await connection.query(sql))[0];
    expect(await rows('SELECT * FROM shop.kept ORDER BY id')).toEqual([
      { id: 1, v: 10 },
      { id: 2, v: 2 },
    ]);
    expect(
      await rows(
        'SELECT @@read_only AS ro, @@event_scheduler AS events, @@log_bin AS log, @@gtid_slave_pos AS gtid, @@innodb_flush_log_at_trx_commit AS flush, @@innodb_doublewrite AS doublewrite',
      ),
    ).toEqual([{ ro: 1, events: 'OFF', log: 0, gtid: until.gtid, flush: 1, doublewrite: 1 }]);
    expect(await rows('SHOW ALL SLAVES STATUS')).toEqual([]);
    expect(await rows('SHOW GRANTS FOR late@localhost')).toHaveLength(2);
    expect(await rows("SELECT user FROM mysql.user WHERE user LIKE 'holdfast%'")).toEqual([]);
    await connection.end();
  });

  it('goes on in the log of another member, entered inside a file, where a failover changed who archives', async () => {
    await pair.sql(pair.replica, 'FLUSH BINARY LOGS');
    await pair.sql(
      pair.primary,
      'REPLACE INTO shop.kept VALUES (20, 1)',
      'REPLACE INTO shop.kept VALUES (20, 2)',
    );
    const left = await pair.sql(pair.primary, 'SHOW MASTER STATUS');
    await pair.sql(
      pair.primary,
      'REPLACE INTO shop.kept VALUES (20, 3)',
      'REPLACE INTO shop.kept VALUES (21, 1)',
    );
    await pair.caughtUp();
    const [other] = await pair.sql(pair.replica, 'SHOW MASTER STATUS');
    const events = await pair.sql(pair.replica, `SHOW BINLOG EVENTS IN '${other?.File}'`);
    // The replica is entered behind the first of these four, so that the second and third come twice.
    const begins = events.filter(({ Event_type }) => Event_type === 'Gtid').map(({ Pos }) => Number(Pos));
    await pair.sql(
      pair.replica,
      'STOP SLAVE',
      'SET GLOBAL read_only = 0',
      'REPLACE INTO shop.kept VALUES (22, 1)',
    );
    const [written] = await pair.sql(pair.replica, 'SELECT @@gtid_binlog_pos AS g');
    await pair.sql(pair.replica, 'REPLACE INTO shop.kept VALUES (22, 2)');
    const mine = parts().filter(({ name }) => name <= String(left[0]?.File));
    mine.at(-1)!.to = Number(left[0]?.Position);
    const theirs: Part = {
      name: String(other?.File),
      path: join(pair.replica.datadir, String(other?.File)),
      memberId: 'db2',
      server: { uuid: 'two', serverId: 102 },
      from: begins[1]!,
    };
    const stored = storeLog([...mine, theirs], 3000);
    const last = String(written?.g)
      .split(',')
      .find((text) => text.startsWith('0-102-'))!;
    const log = await planned(stored, from(), { gtid: last }, pair.directory);
    const files = await assembled(log, pair.directory);
    expect(files).toMatchObject({ repeats: true, serverIds: new Set([101, 102]) });
    const at = await open('failover');
    const outcome = await at.replay({ ...files, from: from(), until: log.until }, 2);
    expect(outcome.reached.gtid.split(',')).toContain(last);
    expect(await at.rows('SELECT id, v FROM shop.kept WHERE id >= 20 ORDER BY id')).toEqual([
      { id: '20', v: '3' },
      { id: '21', v: '1' },
      { id: '22', v: '1' },
    ]);
  });

  it('M22 lists what was prepared and not committed at the point', async () => {
    await pair.sql(
      pair.primary,
      "XA START 'half', 'b1'",
      'INSERT INTO shop.kept VALUES (100, 100)',
      "XA END 'half', 'b1'",
      "XA PREPARE 'half', 'b1'",
    );
    const between = await standsAt();
    await pair.sql(pair.primary, "XA COMMIT 'half', 'b1'");
    const after = await standsAt();
    const at = await open('prepared');
    const outcome = await at.replay({ files: binlogs(), from: from(), until: between });
    expect(outcome.prepared).toEqual(["'half','b1'"]);
    const more = await at.replay({ files: binlogs(), from: between, until: after });
    expect(more.prepared).toEqual([]);
    expect(await at.rows('SELECT v FROM shop.kept WHERE id = 100')).toEqual([{ v: '100' }]);
  });

  it('names transaction, error and table of what cannot be applied, without the statement', async () => {
    const until = await standsAt();
    const at = await open('broken');
    await at.rows('DELETE FROM shop.kept WHERE id = 1');
    const failing = at.replay({ files: binlogs(), from: from(), until }, 4);
    await expect(failing).rejects.toMatchObject({
      name: 'Restore.ReplayFailed',
      facts: { errno: 1032, table: 'shop.kept', gtid: expect.stringMatching(/^0-101-\d+$/) },
    });
    await at.close();

    await pair.sql(pair.primary, "CREATE USER x@localhost IDENTIFIED BY 'secret-word'");
    const again = await open('broken-statement');
    await again.rows("CREATE USER x@localhost IDENTIFIED BY 'other'");
    const error = await again
      .replay({ files: binlogs(), from: from(), until: await standsAt() })
      .catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: 'Restore.ReplayFailed', facts: { errno: 1396 } });
    expect(`${(error as Error).message}${again.lines.join()}`).not.toMatch(/secret-word|IDENTIFIED/);
  });

  it('refuses a log that does not hold where the data stands, and one with events of the server itself', async () => {
    const until = await standsAt();
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS', 'INSERT INTO shop.kept VALUES (7, 7)');
    const at = await open('refused');
    await expect(
      at.replay({ files: binlogs().slice(-1), from: from(), until: await standsAt() }),
    ).rejects.toMatchObject({ name: 'Restore.ReplayFailed', facts: { errno: 1236 } });
    await expect(at.replay({ files: binlogs(), from: from(), until }, 0, 101)).rejects.toMatchObject({
      name: 'Restore.ReplayFailed',
      message: expect.stringContaining('the id 101'),
    });
    expect(readdirSync(join(at.directory, 'stretch-0'))).toEqual([]);
  });

  it('M03 replays from file and offset to file and offset where positions have no GTID', async () => {
    await pair.sql(pair.primary, 'REPLACE INTO shop.kept VALUES (8, 8)');
    const [status] = await pair.sql(pair.primary, 'SHOW MASTER STATUS');
    await pair.sql(pair.primary, 'REPLACE INTO shop.kept VALUES (9, 9)');
    const [begin] = await pair.sql(
      pair.primary,
      `SHOW BINLOG EVENTS IN '${binlogs()[1]!.name}' LIMIT 1 OFFSET 3`,
    );
    const place = (file: unknown, offset: unknown): MysqlPosition => ({
      ...gtid(''),
      file: String(file),
      offset: Number(offset),
    });
    const at = await open('places');
    const outcome = await at.replay(
      {
        files: binlogs(),
        from: place(begin?.Log_name, begin?.End_log_pos),
        until: place(status?.File, status?.Position),
      },
      4,
    );
    expect(outcome.reached).toMatchObject({ file: status?.File, offset: status?.Position });
    expect(await at.rows('SELECT id FROM shop.kept WHERE id IN (8, 9)')).toEqual([{ id: '8' }]);
  });

  // The last one: no log from before it is replayed past it.
  it('M17 leaves out what tables of other servers were written, since that server is production, and what MEMORY tables have lost', async () => {
    await pair.sql(
      pair.primary,
      "INSTALL SONAME 'ha_federatedx'",
      'CREATE TABLE shop.near (id INT PRIMARY KEY)',
      'CREATE TABLE shop.seen (id INT PRIMARY KEY, v INT) ENGINE=MEMORY',
      'INSERT INTO shop.seen VALUES (1, 1)',
      "CREATE USER far@'127.0.0.1' IDENTIFIED BY 'p'",
      "GRANT ALL ON shop.* TO far@'127.0.0.1'",
      `CREATE TABLE shop.far (id INT PRIMARY KEY) ENGINE=FEDERATED CONNECTION='mysql://far:p@127.0.0.1:${pair.primary.port}/shop/near'`,
    );
    const own = await takeBackup(engine(), backupOrderFor(memberOf(pair.primary)), contextIn(pair.directory));
    const stands = own.manifest.position as MysqlPosition;
    await pair.sql(
      pair.primary,
      'INSERT INTO shop.far VALUES (1)',
      'UPDATE shop.seen SET v = 2',
      'INSERT INTO shop.kept VALUES (50, 50)',
    );
    const order = await target('far');
    const context = contextIn(pair.directory);
    await engine().restore.unpack(order, storedOf(own), context);
    await engine().restore.prepare(order, own.manifest, context);
    stand = await standOn(order, own.manifest, pair.directory);
    const { leftOut } = await stand.replay({ files: binlogs(), from: stands, until: await standsAt() });
    expect(leftOut).toEqual(['shop.far', 'shop.seen']);
    expect(await stand.rows('SELECT id FROM shop.kept WHERE id = 50')).toEqual([{ id: '50' }]);
    expect(await pair.sql(pair.primary, 'SELECT id FROM shop.near')).toEqual([{ id: 1 }]);
    await stand.close();
    // One that the log itself makes is not made here: the replay says so instead of going on without it.
    stand = await standOn(await prepared('far-made'), taken.manifest, pair.directory);
    await expect(
      stand.replay({ files: binlogs(), from: from(), until: await standsAt() }),
    ).rejects.toMatchObject({ name: 'Restore.ReplayFailed', facts: { errno: 1286 } });
  });
});
