import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseMysqlGtid } from '../../contract/positions/mysql-gtid.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { RestoreOrder } from '../../contract/records/job.ts';
import { momentOf, type Until } from '../../contract/records/until.ts';
import { planUntil } from '../../functions/restore/plan-until.ts';
import { freePort } from '../../infra/local/wait.ts';
import { compareFingerprints } from '../../runner/engines/compare-fingerprints.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { makeRunChild } from '../../runner/host/run-child.ts';
import { makeStartServer } from '../../runner/host/start-server.ts';
import { archivedLog } from '../../runner/job/archived-log.ts';
import { example } from '../doubles/examples.ts';
import { makeMemoryControl } from '../doubles/memory-control.ts';
import { installDumper } from '../doubles/mydumper/misbehaviour.ts';
import { type S3Server, startS3Server } from '../doubles/s3-server.ts';
import { storeLog } from '../doubles/stored-log.ts';
import { type InstalledXtrabackup, installXtrabackup } from '../doubles/xtrabackup/install.ts';
import { realDumper } from '../servers/mydumper.ts';
import { type MysqlPair, startMysqlPair } from '../servers/mysql-pair.ts';
import { unstable } from '../servers/unstable.ts';
import { storeAt } from '../unit/runner/stream/at-double.ts';
import { archiveOrder, archiverAt } from './support/archive.ts';
import { assembled, planned } from './support/archived.ts';
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
import { recordArchive } from './support/record-archive.ts';
import { type ReplayStand, standOn } from './support/replay-stand.ts';
import { seededRandom } from './support/seeded-random.ts';
import { type ShadowWriter, startShadowWriter } from './support/shadow-writer.ts';
import { waitUntil } from './whole-way/wait-until.ts';

const others = await unstable();
const site = { site: 'home', bucket: 'vault', region: 'eu-west-1' };
const seed = 20261125;

describe.skipIf(others.missing !== null)('a MySQL whose log is archived, and that is lost', () => {
  const { mysql } = others as Extract<typeof others, { missing: null }>;
  let pair: MysqlPair;
  let s3: S3Server;
  let tool: InstalledXtrabackup;
  let dumper: string;
  let taken: Taken;
  let dumped: Taken;
  let writers: ShadowWriter[];
  let uuids: { primary: string; replica: string };
  let mistake: string;
  /** A prepared backup that all but one test goes on with, each from where the one before has left it. */
  let stand: ReplayStand;
  const control = makeMemoryControl('2026-11-25T09:00:00.000Z');
  const restored: string[] = [];
  const path = () => `${tool.directory}:${dumper}:${mysql.path}`;
  const programs = () => ({ runChild: makeRunChild({ path: path() }) });
  const context = (lines: string[] = []) => contextIn(pair.directory, programs(), lines);
  const engine = () =>
    makeMysqlEngine({
      stateDirectory: join(pair.directory, 'state'),
      spoolDirectory: join(pair.directory, 'spool'),
      startServer: makeStartServer(path()),
    });
  const backup = (base = taken): BackupRecord => ({
    ...example('backup'),
    method: base.manifest.plan.method,
    clusterId: 'shop',
    backupId: 'b-1',
    flavour: 'mysql',
    site,
    position: base.manifest.position,
    startedAt: new Date().toISOString(),
  });
  const executed = async (server = pair.primary) =>
    String((await pair.sql(server, 'SELECT @@GLOBAL.gtid_executed AS g'))[0]?.g).replace(/\s/g, '');

  beforeAll(async () => {
    [pair, s3] = await Promise.all([
      startMysqlPair('recovery', mysql.path, { 'plugin-load-add': 'auth_socket.so;mysql_clone.so' }),
      startS3Server(),
    ]);
    tool = installXtrabackup(join(pair.directory, 'tool'), '9.7.2-2');
    dumper = realDumper() ?? installDumper(join(pair.directory, 'dumper'), { version: '1.0.1', how: null });
    mkdirSync(join(pair.directory, 'spool'));
    const uuidOf = async (server = pair.primary) =>
      String((await pair.sql(server, 'SELECT @@server_uuid AS u'))[0]?.u);
    uuids = { primary: await uuidOf(), replica: await uuidOf(pair.replica) };
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      ...['a', 'b', 'c'].map((t) => `CREATE TABLE shop.${t} (n INT PRIMARY KEY, note VARCHAR(100))`),
      'CREATE TABLE shop.kept (id INT PRIMARY KEY, v INT)',
      'INSERT INTO shop.kept VALUES (1, 1), (2, 2)',
    );
    const order = { ...archiveOrder(pair.primary, { timeline: 't-1' }), flavour: 'mysql' as const };
    const archiver = archiverAt(s3, order, join(pair.directory, 'agent'));
    let on = true;
    const archiving = (async () => {
      while (on) {
        await archiver.tick();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    await pair.caughtUp();
    const shadow = (server: MysqlPair['primary'], table: string, more: object) =>
      startShadowWriter(server, { table, domain: 0, flavour: 'mysql', ...more });
    writers = await Promise.all([
      shadow(pair.primary, 'a', {}),
      shadow(pair.primary, 'b', { before: 'SET SESSION binlog_transaction_compression = ON' }),
    ]);
    const dumping = backupOrderFor(memberOf(pair.primary), { flavour: 'mysql' });
    const plan = { ...dumping.plan, method: 'logical' as const, spoolBytes: 64 * 1024 * 1024 };
    dumped = await takeBackup(engine(), { ...dumping, plan }, context());
    // A dump is of one moment only while no definition changes.
    writers[0]!.alterEvery = 40;
    taken = await takeBackup(
      engine(),
      backupOrderFor(memberOf(pair.replica), { flavour: 'mysql' }),
      context(),
    );
    const behind = () => Math.min(...writers.map(({ commits }) => commits.length));
    const then = behind();
    await waitUntil('commits', async () => behind() > then + 60);
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
    await waitUntil('more commits', async () => behind() > then + 120);
    for (const writer of writers) await writer.stop();
    // The other member goes on, with numbers and file names of its own.
    await pair.caughtUp();
    on = false;
    await archiving;
    await archiver.drained();
    const after = archiver.state().newest!;
    await archiver.close();
    await pair.sql(
      pair.replica,
      'STOP REPLICA',
      'RESET REPLICA ALL',
      'SET GLOBAL super_read_only = OFF',
      'SET GLOBAL read_only = OFF',
    );
    const theirs = {
      ...archiveOrder(pair.replica, { timeline: 't-1', epoch: 2, after }),
      flavour: 'mysql' as const,
    };
    const second = archiverAt(s3, theirs, join(pair.directory, 'agent-2'));
    writers.push(await shadow(pair.replica, 'c', { before: "SET GTID_NEXT = 'AUTOMATIC:late'" }));
    await waitUntil('commits of the other', async () => writers[2]!.commits.length > 40);
    await writers[2]!.stop();
    await pair.sql(
      pair.replica,
      "CREATE USER late@localhost IDENTIFIED BY 'p'",
      'GRANT SELECT ON shop.* TO late@localhost',
      "CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM shop.kept",
      "XA START 'half', 'b1'",
      'INSERT INTO shop.kept VALUES (100, 100)',
      "XA END 'half', 'b1'",
      "XA PREPARE 'half', 'b1'",
      'UPDATE shop.kept SET v = 10 WHERE id = 1',
    );
    mistake = `${uuids.replica}:${(lastOf(await executed(pair.replica))[uuids.replica] ?? 0) + 1}`;
    await pair.sql(pair.replica, 'DELETE FROM shop.kept WHERE id < 100', "XA COMMIT 'half', 'b1'");
    await second.drained();
    await second.close();
    await recordArchive(s3, 't-1', site, control);
    stand = await standOn(await target('points'), taken.manifest, pair.directory, programs());
  });
  afterAll(async () => {
    await stand?.close();
    for (const directory of restored) await stopRestored(directory);
    await s3?.stop();
    await pair?.close();
  });

  const target = async (name: string, base = taken): Promise<RestoreOrder> => {
    const directory = join(pair.directory, 'restores', name);
    restored.push(directory);
    const order = restoreOrderFor(directory, await freePort());
    await engine().restore.unpack(order, storedOf(base), context());
    await engine().restore.prepare(order, base.manifest, context());
    return order;
  };

  /** Plans as control does, and reads the log as a runner does. */
  const logTo = async (until: Until, base = taken) => {
    const plan = await planUntil('shop', site, until, [backup(base)], control);
    if (plan.outcome === 'refused') throw new Error(plan.error.cause);
    expect(plan.whyNot(backup(base))).toBeUndefined();
    const order = plan.orderFrom(base.manifest.position as MysqlPosition);
    const store = storeAt(s3);
    return { plan, order, store, log: archivedLog(order, 'shop', store, context()) };
  };

  const replayTo = async (until: Until, workers = 4, as?: number) => {
    const { log, store, ...planned } = await logTo(until);
    const files = await assembled(log, pair.directory);
    const outcome = stand.replay({ ...files, from: log.from, until: log.until }, workers, as);
    return { ...planned, outcome: await outcome.finally(store.close) };
  };
  const standsAt = async () =>
    (await stand.rows('SELECT @@GLOBAL.gtid_executed AS g'))[0]?.g?.replace(/\s/g, '');

  it('is brought to twenty random points, by GTID, before one and by time, as a shadow log of the commits says', async () => {
    const random = seededRandom(seed);
    const serverOf = (writer: ShadowWriter) =>
      writer.table === 'c' ? `${uuids.replica}:late` : uuids.primary;
    const began = taken.manifest.position as MysqlPosition;
    const { [uuids.primary]: start = 0 } = lastOf(began.gtid);
    const all = writers
      .flatMap((writer) =>
        writer.commits
          .filter(({ seq }) => writer.table === 'c' || seq > start)
          .map((commit) => ({ ...commit, writer, server: serverOf(writer) })),
      )
      .sort((x, y) => Number(x.writer.table === 'c') - Number(y.writer.table === 'c') || x.seq - y.seq);
    const chosen = Array.from({ length: 20 }, () => Math.floor(random() * all.length)).sort((x, y) => x - y);
    for (const [i, at] of chosen.entries()) {
      const { seq, server, ended, began: asked } = all[at]!;
      const kind = i % 3;
      const until: Until =
        kind === 0
          ? { gtid: `${server}:${seq}` }
          : kind === 1
            ? { beforeGtid: `${server}:${seq}` }
            : { time: momentOf(ended * 1000) };
      const { order, plan, outcome } = await replayTo(until, i % 2 === 0 ? 4 : 1);
      expect(outcome.reached).toMatchObject({ gtid: order.until.gtid });
      expect(await standsAt()).toBe(order.until.gtid);
      // In the order of the log, which one server's numbers have.
      const holds = (commit: (typeof all)[number]) => {
        const { [commit.server]: most = 0 } = lastOf(order.until.gtid);
        return commit.seq <= most;
      };
      if (kind === 0) expect(all.filter(holds).at(-1)).toMatchObject({ seq, server });
      if (kind === 1) expect(all.filter(holds).some((c) => c.seq === seq && c.server === server)).toBe(false);
      if (kind === 2) {
        // What had been answered by then is in it, and what was asked for later is not.
        const micros = plan.point.perhapsLater;
        expect(micros).toBe(0);
        expect(all.filter((c) => c.ended < ended).every(holds)).toBe(true);
        expect(all.filter((c) => c.began > ended + 1).some(holds)).toBe(false);
        expect(asked).toBeLessThanOrEqual(ended);
      }
      for (const writer of writers) {
        const n = Math.max(
          0,
          ...writer.commits
            .filter((commit) => holds({ ...commit, writer, server: serverOf(writer) }))
            .map((commit) => commit.n),
        );
        const [found] = await stand.rows(
          `SELECT COUNT(*) AS c, COALESCE(SUM(n), 0) AS s FROM shop.${writer.table}`,
        );
        expect([writer.table, found?.c, found?.s]).toEqual([writer.table, `${n}`, `${(n * (n + 1)) / 2}`]);
      }
    }
    expect(await stand.rows('SHOW REPLICA STATUS')).toEqual([]);
  });

  it.each(['files', 'a dump'])(
    'M16 M17 M22 is brought back from %s to just before a mistake, with accounts and what was left prepared, reached by nothing',
    async (name) => {
      const base = name === 'files' ? taken : dumped;
      const { log, order, store } = await logTo({ beforeGtid: mistake }, base);
      const job = await target(name.replace(' ', '-'), base);
      const instance = await engine().restore.start(job, base.manifest, context(), log);
      await store.close();
      expect(instance.position).toMatchObject({ gtid: order.until.gtid });
      expect(instance.replay).toMatchObject({
        disabledEvents: ['shop.nightly'],
        prepared: ["X'68616c66',X'6231',1"],
      });
      expect(compareFingerprints(base.manifest, instance.fingerprint).differences).toEqual([]);
      expect(
        readdirSync(job.target.directory).filter((name) => /holdfast-replay|relay|partial/.test(name)),
      ).toEqual([]);
      const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
      const rows = async (sql: string) => (await connection.query(sql))[0];
      expect(await rows('SELECT * FROM shop.kept ORDER BY id')).toEqual([
        { id: 1, v: 10 },
        { id: 2, v: 2 },
      ]);
      expect(
        await rows(
          'SELECT @@super_read_only AS ro, @@event_scheduler AS events, @@log_bin AS log, @@gtid_executed AS gtid, @@innodb_flush_log_at_trx_commit AS flush, @@innodb_doublewrite AS doublewrite',
        ),
      ).toEqual([
        {
          ro: 1,
          events: 'OFF',
          log: 0,
          gtid: order.until.gtid.replaceAll(',', ',\n'),
          flush: 1,
          doublewrite: 'ON',
        },
      ]);
      expect(await rows('SHOW REPLICA STATUS')).toEqual([]);
      expect(await rows('SHOW GRANTS FOR late@localhost')).toHaveLength(2);
      expect(await rows("SELECT user FROM mysql.user WHERE user LIKE 'holdfast%'")).toEqual([]);
      expect(await rows('XA RECOVER')).toHaveLength(1);
      for (const { table, commits } of writers) {
        expect(await rows(`SELECT COUNT(*) AS n FROM shop.${table}`)).toEqual([{ n: commits.at(-1)!.n }]);
      }
      await connection.end();
    },
  );

  it('M16 is refused with a server id of the log, and where its data holds what lies behind the point', async () => {
    await expect(replayTo('latest', 4, 401)).rejects.toMatchObject({
      name: 'Restore.ReplayFailed',
      message: expect.stringContaining('the id 401'),
    });
    const { seq } = writers[0]!.commits.at(-1)!;
    await expect(replayTo({ beforeGtid: `${uuids.primary}:${seq}` })).rejects.toMatchObject({
      name: 'Restore.PositionMissed',
      message: expect.stringMatching(/holds [0-9a-f-]+:\d.* already/),
    });
  });

  it('names transaction, error and table of what cannot be applied, and nothing of its statement', async () => {
    await stand.rows('UPDATE shop.kept SET id = 3 WHERE id = 1');
    const failed = await replayTo({ beforeGtid: mistake }).then(
      () => undefined,
      (error: Error) => error,
    );
    expect(failed).toMatchObject({
      name: 'Restore.ReplayFailed',
      facts: { errno: 1032, table: 'shop.kept', gtid: expect.stringMatching(`^${uuids.replica}:\\d+$`) },
    });
    await stand.rows('STOP REPLICA');
    await stand.rows('RESET REPLICA ALL');
    await stand.rows('DROP USER IF EXISTS late@localhost');
    await stand.rows('UPDATE shop.kept SET id = 1 WHERE id = 3');
    await replayTo({ beforeGtid: mistake });
    const { outcome } = await replayTo('latest');
    expect(outcome.prepared).toEqual([]);
    expect(await stand.rows('SELECT id FROM shop.kept')).toEqual([{ id: '100' }]);
  });

  it('M03 goes from file and offset to file and offset where the log has no GTIDs', async () => {
    const modes = ['ON_PERMISSIVE', 'OFF_PERMISSIVE', 'OFF'].map((mode) => `SET GLOBAL gtid_mode = ${mode}`);
    await pair.sql(pair.replica, ...modes, 'FLUSH BINARY LOGS', 'REPLACE INTO shop.kept VALUES (100, 1)');
    for (const mode of modes) await stand.rows(mode);
    await stand.rows('REPLACE INTO shop.kept VALUES (100, 1)');
    const place = async () => {
      const [status] = await pair.sql(pair.replica, 'SHOW BINARY LOG STATUS');
      return { file: String(status?.File), offset: Number(status?.Position) };
    };
    const begin = await place();
    await pair.sql(
      pair.replica,
      // Applied a second time they would be 3 and 4.
      'UPDATE shop.kept SET v = v + 1',
      'FLUSH BINARY LOGS',
      'UPDATE shop.kept SET v = v + 1',
    );
    const end = await place();
    await pair.sql(pair.replica, 'DELETE FROM shop.kept');
    const parts = [begin.file, end.file].map((name) => ({
      name,
      path: join(pair.replica.datadir, name),
      memberId: 'replica',
      server: { uuid: uuids.replica, serverId: 402 },
    }));
    const at = (where: typeof begin): MysqlPosition => ({
      kind: 'mysql',
      flavour: 'mysql',
      gtid: '',
      ...where,
    });
    const log = await planned(storeLog(parts, 300, { flavour: 'mysql' }), at(begin), end, pair.directory);
    const files = await assembled(log, pair.directory);
    const outcome = await stand.replay({ ...files, from: log.from, until: log.until }, 4);
    expect(outcome.reached).toMatchObject(end);
    expect(await stand.rows('SELECT v FROM shop.kept')).toEqual([{ v: '3' }]);
  });
});

/** By source its last number in a set without holes. */
const lastOf = (gtid: string): Record<string, number> =>
  Object.fromEntries([...parseMysqlGtid(gtid)].map(([source, of]) => [source, Number(of.at(-1)?.last)]));
