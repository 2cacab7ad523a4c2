import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../../infra/local/mariadb.ts';
import { type S3Server, startS3Server } from '../doubles/s3-server.ts';
import { archiveOrder, archiverAt, byHand, expectChain, filesOf, segmentsIn } from './support/archive.ts';
import { type Pair, startPair, startProbe } from './support/mariadb-pair.ts';

let pair: Pair;
let s3: S3Server;
let agents = 0;
const agentDirectory = () => join(pair.directory, `agent-${agents++}`);

beforeAll(async () => {
  [pair, s3] = await Promise.all([startPair('logs'), startS3Server()]);
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

const written = async (server = pair.primary) =>
  (await pair.sql(server, 'SELECT @@GLOBAL.gtid_binlog_pos AS gtid'))[0]!.gtid as string;
const status = async () =>
  (await pair.sql(pair.primary, 'SHOW MASTER STATUS'))[0] as { File: string; Position: number };
/** Removes all files but the open one; the server keeps those that a replica reads or a recovery would need. */
async function purged() {
  const now = await status();
  for (const until = Date.now() + 20_000; ; ) {
    await pair.caughtUp();
    await pair.sql(pair.primary, `PURGE BINARY LOGS TO '${now.File}'`);
    if ((await pair.sql(pair.primary, 'SHOW BINARY LOGS')).length === 1) return now;
    if (Date.now() > until) throw new Error('the server keeps its old logs');
  }
}
/** A closed or open file of a server, as it stands once it is closed. */
const fileOf = (datadir: string, name: string) => {
  const bytes = readFileSync(join(datadir, name));
  bytes[21]! &= ~1;
  return bytes;
};

describe('archiving of a real MariaDB', () => {
  it('stores every byte of the log with writers running, over rotations, in one chain', async () => {
    const archiver = archiverAt(s3, archiveOrder(pair.primary, { timeline: 'writers' }), agentDirectory());
    const probe = await startProbe(pair.primary, "INSERT INTO shop.orders (note) VALUES (REPEAT('n', 150))");
    await archiver.tick();
    for (let i = 0; i < 20; i++) {
      if (i % 7 === 3) await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
      await archiver.tick();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const { commits } = await probe.stop();
    await archiver.drained();
    const segments = segmentsIn(s3, 'writers');
    expectChain(segments);
    expect(segments.at(-1)!.header.end.gtid).toBe(await written());
    const { File, Position } = await status();
    for (const [name, bytes] of filesOf(segments)) {
      const file = name.split('/')[1]!;
      const there = fileOf(pair.primary.datadir, file);
      expect(bytes.equals(file === File ? there.subarray(0, Position) : there)).toBe(true);
    }
    const rows = segments.flatMap(({ index }) =>
      index.transactions.filter(({ tables }) =>
        tables?.some((n) => index.tables[n]!.join('.') === 'shop.orders'),
      ),
    );
    // And the one that created the table.
    expect(rows.length).toBe(commits + 1);
    expect(new Set(segments.map(({ header }) => header.log.file)).size).toBeGreaterThanOrEqual(3);
    const { bytes } = s3.objects.get(segments[1]!.key)!;
    expect(byHand(bytes).equals(segments[1]!.log)).toBe(true);
    await archiver.close();
  });

  it('M22 goes on in further segments with a transaction that is larger than one', async () => {
    const archiver = archiverAt(s3, archiveOrder(pair.primary, { timeline: 'large' }), agentDirectory());
    await archiver.drained();
    await pair.sql(pair.primary, "INSERT INTO shop.blobs VALUES (1, REPEAT('b', 3000000)), (2, 'small')");
    await archiver.drained();
    const segments = segmentsIn(s3, 'large');
    expectChain(segments);
    const inside = segments.filter(({ header }) => header.openAfter !== null);
    expect(inside.length).toBeGreaterThanOrEqual(2);
    const gtid = await written();
    expect(new Set(inside.map(({ header }) => header.openAfter!.gtid))).toEqual(new Set([gtid]));
    const row = segments.at(-1)!.index.transactions.find((t) => t.gtid === gtid)!;
    expect(row.bytes).toBeGreaterThan(3_000_000);
    expect(row.at).toBe(inside[0]!.header.openAfter!.at);
    await archiver.close();
  });

  it('an agent that is killed while it stores sends the same segment again, and the chain goes on', async () => {
    const directory = agentDirectory();
    const order = archiveOrder(pair.primary, { timeline: 'killed' });
    const first = archiverAt(s3, order, directory);
    await first.drained();
    for (const fault of ['lose-answer', 'reset-mid-body'] as const) {
      const before = segmentsIn(s3, 'killed').length;
      const killed = archiverAt(s3, order, directory);
      await pair.sql(pair.primary, `INSERT INTO shop.orders (note) VALUES ('${fault}')`);
      await killed.tick();
      await new Promise((resolve) => setTimeout(resolve, 250));
      s3.fault({
        method: 'PUT',
        times: 1000,
        kind: fault === 'lose-answer' ? { do: fault } : { do: fault, after: 1 },
      });
      const ticking = killed.tick();
      await new Promise((resolve) => setTimeout(resolve, 150));
      killed.kill();
      await ticking;
      s3.faults.length = 0;
      await killed.close();
      expect(segmentsIn(s3, 'killed').length).toBe(before + (fault === 'lose-answer' ? 1 : 0));
      await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('after')");
      const next = archiverAt(s3, order, directory);
      await next.drained();
      await next.close();
      const segments = segmentsIn(s3, 'killed');
      expectChain(segments);
      expect(segments.map(({ header }) => header.seq)).toEqual(segments.map((_, i) => i));
      expect(segments.at(-1)!.header.end.gtid).toBe(await written());
    }
    await first.close();
  });

  it('waits for a member that has not yet what is archived, and refuses one with another history', async () => {
    const first = archiverAt(s3, archiveOrder(pair.primary, { timeline: 'ahead' }), agentDirectory());
    await pair.sql(pair.replica, 'STOP SLAVE');
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('only here')");
    await first.drained();
    const after = first.state().newest!;
    await first.close();
    const order = archiveOrder(pair.replica, { timeline: 'ahead', epoch: 2, after });
    const behind = archiverAt(s3, order, agentDirectory());
    await behind.tick();
    expect(behind.state()).toMatchObject({
      state: 'behind',
      reason: expect.stringContaining('has not yet 0-101-'),
    });
    await behind.close();
    const domain = after.end.gtid.split('-').map(Number) as [number, number, number];
    const gtid = `0-102-${domain[2]}`;
    const dead = archiverAt(
      s3,
      {
        ...order,
        archive: { ...order.archive!, after: { ...after, end: { ...after.end, gtid } } },
      },
      agentDirectory(),
    );
    await pair.sql(pair.replica, 'START SLAVE');
    await pair.caughtUp();
    await dead.tick();
    expect(dead.state()).toMatchObject({ state: 'dead-branch', reason: expect.stringContaining(gtid) });
    await dead.close();
  });

  it('needs no file that it has archived whole: a purge behind it is no gap', async () => {
    const directory = agentDirectory();
    const order = archiveOrder(pair.primary, { timeline: 'purged' });
    const first = archiverAt(s3, order, directory);
    await first.drained();
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
    await first.drained();
    await pair.sql(pair.primary, 'FLUSH BINARY LOGS');
    await first.drained();
    await first.close();
    await purged();
    const second = archiverAt(s3, order, directory);
    await second.drained();
    expect(second.state().state).toBe('archiving');
    expectChain(segmentsIn(s3, 'purged'));
    await second.close();
  });

  it('refuses a server whose log cannot be archived, saying why', async () => {
    const order = archiveOrder(pair.replica, { timeline: 'refused' });
    const plan = { ...pair.replica, options: { ...pair.replica.options, 'log-slave-updates': 'OFF' } };
    await pair.replica.stop();
    const cnf = readFileSync(pair.replica.defaultsFile, 'utf8');
    writeFileSync(
      pair.replica.defaultsFile,
      cnf.replace('log-slave-updates = ON', 'log-slave-updates = OFF'),
    );
    const restarted = await startServer(plan);
    const archiver = archiverAt(s3, order, agentDirectory());
    await archiver.tick();
    expect(archiver.state()).toMatchObject({
      state: 'refused',
      reason: expect.stringContaining('log_slave_updates'),
    });
    expect(segmentsIn(s3, 'refused')).toEqual([]);
    await archiver.close();
    await restarted.stop();
  });

  it('M02 finds out that a server has lost what it had shown, and archives nothing of it', async () => {
    const directory = agentDirectory();
    const order = archiveOrder(pair.primary, { timeline: 'older' });
    const first = archiverAt(s3, order, directory);
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('kept')");
    const kept = await status();
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('lost with the host')");
    await first.drained();
    await pair.primary.kill();
    truncateSync(join(pair.primary.datadir, kept.File), kept.Position);
    await first.tick();
    expect(first.state().state).toBe('failing');
    pair.primary = await startServer(pair.primary);
    await first.tick();
    expect(first.state()).toMatchObject({
      state: 'dead-branch',
      reason: expect.stringContaining('were archived'),
    });
    const segments = segmentsIn(s3, 'older').length;
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('another history')");
    await first.tick();
    expect(segmentsIn(s3, 'older').length).toBe(segments);
    await first.close();
  });

  it('goes on after a crash that lost nothing', async () => {
    const order = archiveOrder(pair.primary, { timeline: 'crash' });
    const archiver = archiverAt(s3, order, agentDirectory());
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('before')");
    await archiver.drained();
    await pair.primary.kill();
    await archiver.tick();
    pair.primary = await startServer(pair.primary);
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('after')");
    await archiver.drained();
    const segments = segmentsIn(s3, 'crash');
    expectChain(segments);
    expect(segments.at(-1)!.header.end.gtid).toBe(await written());
    expect(new Set(segments.map(({ header }) => header.log.file)).size).toBe(2);
    await archiver.close();
  });

  it('M03 finds out that a server wrote without its log, though the next file says that nothing is missing', async () => {
    const directory = agentDirectory();
    const order = archiveOrder(pair.primary, { timeline: 'unlogged' });
    const first = archiverAt(s3, order, directory);
    await first.drained();
    const archived = segmentsIn(s3, 'unlogged').length;
    const cnf = readFileSync(pair.primary.defaultsFile, 'utf8');
    const restarted = async (text: string) => {
      await pair.primary.stop();
      writeFileSync(pair.primary.defaultsFile, text);
      pair.primary = await startServer(pair.primary);
    };
    await restarted(`${cnf}\nskip-log-bin\n`);
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('in no log')");
    for (let i = 0; first.state().state === 'failing' || i === 0; i++) await first.tick();
    expect(first.state()).toMatchObject({
      state: 'dead-branch',
      reason: expect.stringContaining('log_bin is OFF'),
    });
    await first.close();
    // Its files have another name from here on, as after a move of the log.
    await restarted(`${cnf}\nlog-bin = ${join(pair.primary.datadir, 'moved')}\n`);
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('logged again')");
    const again = archiverAt(s3, order, directory);
    await again.tick();
    expect(again.state()).toMatchObject({
      state: 'dead-branch',
      reason: expect.stringContaining('log_bin is OFF'),
    });
    await again.close();
    expect(segmentsIn(s3, 'unlogged').length).toBe(archived);
    const moved = archiverAt(s3, archiveOrder(pair.primary, { timeline: 'moved' }), agentDirectory());
    await moved.drained();
    await restarted(cnf);
    for (let i = 0; moved.state().state === 'failing' || i === 0; i++) await moved.tick();
    expect(['gap', 'dead-branch']).toContain(moved.state().state);
    await moved.close();
  });
});
