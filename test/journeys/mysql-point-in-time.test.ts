import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { momentOf, type Until } from '../../contract/records/until.ts';
import { planUntil } from '../../functions/restore/plan-until.ts';
import { freePort } from '../../infra/local/wait.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { hasZone } from '../../runner/host/time-zone.ts';
import { archivedLog } from '../../runner/job/archived-log.ts';
import { example } from '../doubles/examples.ts';
import { makeMemoryControl } from '../doubles/memory-control.ts';
import { type S3Server, startS3Server } from '../doubles/s3-server.ts';
import { storeAt } from '../unit/runner/stream/at-double.ts';
import { archiveOrder, archiverAt } from './support/archive.ts';
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
import { recordArchive } from './support/record-archive.ts';
import { type ShadowWriter, startShadowWriter } from './support/shadow-writer.ts';
import { waitUntil } from './whole-way/wait-until.ts';

/** Where the primary lives; what its log says of `SYSTEM` is of there. */
const zone = ['Asia/Tokyo', 'UTC'].find(hasZone)!;
const site = { site: 'home', bucket: 'vault', region: 'eu-west-1' };

describe('a primary that is lost while its log is archived', () => {
  let pair: Pair;
  let s3: S3Server;
  /** The files of the replica; what a dump has of it, and of the primary while it was written to. */
  let bases: { files: Taken; replicaDump: Taken; primaryDump: Taken };
  let writer: ShadowWriter;
  /** The statement that nobody wanted. */
  let mistake: string;
  const control = makeMemoryControl('2026-11-25T09:00:00.000Z');
  const restored: string[] = [];
  const engine = () => makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });

  const dumpOf = (server: Pair['primary']) => {
    const order = backupOrderFor(memberOf(server));
    const plan = { ...order.plan, method: 'logical' as const, spoolBytes: 64 * 1024 * 1024 };
    return takeBackup(engine(), { ...order, plan }, contextIn(pair.directory));
  };

  const committed = (enough: () => boolean) => waitUntil('enough commits', async () => enough());

  beforeAll(async () => {
    [pair, s3] = await Promise.all([startPair('point', undefined, zone), startS3Server()]);
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.a (n INT PRIMARY KEY, note VARCHAR(100))',
      'CREATE TABLE shop.b (id INT PRIMARY KEY)',
      'INSERT INTO shop.b VALUES (1), (2), (3)',
      'CREATE SEQUENCE shop.numbers',
      "CREATE USER buyer@localhost IDENTIFIED BY 'x'",
      'CREATE FUNCTION shop.twice(a INT) RETURNS INT DETERMINISTIC RETURN a * 2',
      "CREATE EVENT shop.nightly ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01' DO DELETE FROM shop.b",
    );
    const archiver = archiverAt(
      s3,
      archiveOrder(pair.primary, { timeline: 't-1' }),
      join(pair.directory, 'agent'),
    );
    let on = true;
    const archiving = (async () => {
      while (on) {
        await archiver.tick();
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    await pair.caughtUp();
    writer = await startShadowWriter(pair.primary, { table: 'a', domain: 0 });
    // A dump is of one moment only while no definition changes.
    const [replicaDump, primaryDump] = [await dumpOf(pair.replica), await dumpOf(pair.primary)];
    writer.alterEvery = 50;
    const order = backupOrderFor(memberOf(pair.replica));
    bases = {
      files: await takeBackup(engine(), order, contextIn(pair.directory)),
      replicaDump,
      primaryDump,
    };
    // What a dump would leave behind by itself, and the log goes on from.
    await pair.sql(
      pair.primary,
      "ALTER USER buyer@localhost IDENTIFIED BY 'y'",
      'GRANT EXECUTE ON FUNCTION shop.twice TO buyer@localhost',
      'ALTER EVENT shop.nightly DISABLE',
      'INSERT INTO shop.b VALUES (shop.twice(NEXTVAL(shop.numbers) + 10))',
      'CREATE TABLE shop.dated (at TIMESTAMP NOT NULL)',
      'INSERT INTO shop.dated VALUES (FROM_UNIXTIME(1790000000))',
      'ALTER TABLE shop.dated MODIFY at DATETIME',
    );
    const behind = writer.commits.length;
    const since = () => writer.commits.at(-1)!.ended - writer.commits[behind]!.ended;
    await committed(() => writer.commits.length > behind + 100 && since() > 4000);
    const connection = await pair.primary.connect('shop');
    await connection.query('DELETE FROM b');
    mistake = String(((await connection.query('SELECT @@last_gtid AS g'))[0] as { g: string }[])[0]?.g);
    await connection.end();
    const after = writer.commits.length;
    await committed(() => writer.commits.length > after + 20);
    await writer.stop();
    on = false;
    await archiving;
    await archiver.drained();
    await archiver.close();
    await pair.primary.kill();
    rmSync(pair.primary.datadir, { recursive: true });

    await recordArchive(s3, 't-1', site, control);
  });
  afterAll(async () => {
    for (const directory of restored) await stopRestored(directory);
    await s3?.stop();
    await pair?.close();
  });

  /** Plans as control does, and restores as the runner does; answers what the restored server says. */
  async function bringBack(base: keyof typeof bases, until: Until) {
    const taken = bases[base];
    const backup: BackupRecord = {
      ...example('backup'),
      clusterId: 'shop',
      backupId: 'b-1',
      site,
      method: taken.manifest.plan.method,
      position: taken.manifest.position,
      startedAt: new Date().toISOString(),
    };
    const plan = await planUntil('shop', site, until, [backup], control);
    if (plan.outcome === 'refused') throw new Error(plan.error.cause);
    expect(plan.whyNot(backup)).toBeUndefined();
    const order = plan.orderFrom(backup.position as MysqlPosition);
    const directory = join(pair.directory, 'restores', `${base}-${restored.length}`);
    restored.push(directory);
    const job = restoreOrderFor(directory, await freePort());
    const context = contextIn(pair.directory);
    const store = storeAt(s3);
    await engine().restore.unpack(job, storedOf(taken), context);
    await engine().restore.prepare(job, taken.manifest, context);
    const log = archivedLog(order, 'shop', store, context);
    const instance = await engine().restore.start(job, taken.manifest, context, log);
    await store.close();
    expect(instance.position).toMatchObject({ gtid: order.until.gtid });
    const connection = await createConnection({ socketPath: instance.socket, user: 'root' });
    const [rows] = await connection.query(
      'SELECT (SELECT COUNT(*) FROM shop.a) AS a, (SELECT COALESCE(SUM(n), 0) FROM shop.a) AS s, (SELECT COUNT(*) FROM shop.b) AS b, (SELECT CAST(at AS CHAR) FROM shop.dated) AS dated',
    );
    await connection.end();
    const { a, s, b, dated } = (rows as { a: number; s: string; b: number; dated: string }[])[0]!;
    expect(dated).toBe(zone === 'UTC' ? '2026-09-21 14:13:20' : '2026-09-21 23:13:20');
    expect(Number(s)).toBe((a * (a + 1)) / 2);
    return { a, b, seq: Number(order.until.gtid.split('-')[2]), plan };
  }
  const shadowAt = (seq: number) => writer.commits.filter((commit) => commit.seq <= seq).at(-1)?.n ?? 0;

  it.each(['files', 'primaryDump'] as const)(
    'is brought back from %s to just before the statement that nobody wanted, with every commit before it',
    async (base) => {
      const { a, b, seq } = await bringBack(base, { beforeGtid: mistake });
      expect(seq).toBe(Number(mistake.split('-')[2]) - 1);
      expect({ a, b }).toEqual({ a: shadowAt(seq), b: 4 });
    },
  );

  it('M25 is brought back to a time: what was committed by then, within the bounds that the log knows', async () => {
    const { commits } = writer;
    const from = Number((bases.files.manifest.position as MysqlPosition).gtid.split('-')[2]);
    const later = commits.filter(({ seq }) => seq > from);
    const time = later[Math.floor(later.length / 2)]!.ended;
    const { a, b, seq, plan } = await bringBack('files', { time: momentOf(time * 1000) });
    expect(a).toBe(shadowAt(seq));
    expect(b).toBe(time < later.at(-1)!.ended && seq < Number(mistake.split('-')[2]) ? 4 : 0);
    // Archived every tenth of a second; what began in a later second, or was seen later, is left out.
    const last = commits.filter((commit) => commit.seq <= seq).at(-1)!;
    const next = commits.find((commit) => commit.seq > seq);
    expect(last.began).toBeLessThan(Math.floor(time / 1000) * 1000 + 1000);
    expect(next === undefined || next.ended > time - 1500).toBe(true);
    expect(plan.point.perhapsLater).toBeGreaterThanOrEqual(0);
  });

  it('is brought back from a dump of the replica with everything that was archived', async () => {
    const { a, b } = await bringBack('replicaDump', 'latest');
    expect({ a, b }).toEqual({ a: writer.commits.at(-1)!.n, b: 0 });
  });
});
