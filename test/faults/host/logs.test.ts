import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { type S3Server, startS3Server } from '../../doubles/s3-server.ts';
import { archiveOrder, archiverAt, expectChain, segmentsIn } from '../../journeys/support/archive.ts';
import { type Pair, startPair } from '../../journeys/support/mariadb-pair.ts';
import { faultTest } from '../fault-test.ts';

let pair: Pair;
let s3: S3Server;
let agents = 0;
const agentDirectory = () => join(pair.directory, `agent-${agents++}`);

beforeAll(async () => {
  [pair, s3] = await Promise.all([startPair('fault-logs'), startS3Server()]);
  await pair.sql(
    pair.primary,
    'CREATE DATABASE shop',
    'CREATE TABLE shop.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(200))',
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
/** A file of a server, as it stands once it is closed. */
const fileOf = (datadir: string, name: string) => {
  const bytes = readFileSync(join(datadir, name));
  bytes[21]! &= ~1;
  return bytes;
};
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

faultTest(
  ['F61'],
  'another member goes on behind the archive, though its files have the same names',
  async (faults) => {
    const first = archiverAt(s3, archiveOrder(pair.primary, { timeline: 'failover' }), agentDirectory());
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('old primary')");
    await first.drained();
    const after = first.state().newest!;
    await first.close();
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('not archived there')");
    await pair.caughtUp();
    const order = archiveOrder(pair.replica, { timeline: 'failover', epoch: 2, after });
    const second = archiverAt(s3, order, agentDirectory());
    await second.drained();
    const segments = segmentsIn(s3, 'failover');
    expectChain(segments);
    const names = (memberId: string) =>
      segments.filter(({ header }) => header.memberId === memberId).map(({ header }) => header.log.file);
    if (names('primary').some((name) => names('replica').includes(name))) faults.hit('F61');
    const entered = segments.find(({ header }) => header.memberId === 'replica')!;
    expect(entered.header.start.gtid).toBe(after.end.gtid);
    expect(
      Buffer.from(entered.header.log.head ?? '', 'base64')
        .subarray(0, 4)
        .toString('hex'),
    ).toBe('fe62696e');
    expect(
      entered.log.equals(
        fileOf(pair.replica.datadir, entered.header.log.file).subarray(
          entered.header.log.from,
          entered.header.log.to,
        ),
      ),
    ).toBe(true);
    await faults.endState(async () => expect(segments.at(-1)!.header.end.gtid).toBe(await written()));
    await second.close();
  },
);

faultTest(
  ['F59', 'F60'],
  'a log that is purged before it is archived is a gap, and nothing behind it is joined to what is before',
  async (faults) => {
    const directory = agentDirectory();
    const order = archiveOrder(pair.primary, { timeline: 'gap' });
    const first = archiverAt(s3, order, directory);
    await first.drained();
    await first.close();
    await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('lost')", 'FLUSH BINARY LOGS');
    const before = segmentsIn(s3, 'gap').length;
    const { File } = await purged();
    faults.hit('F60');
    const second = archiverAt(s3, order, directory);
    await second.tick();
    faults.hit('F59');
    expect(second.state()).toMatchObject({
      state: 'gap',
      reason: expect.stringContaining(`oldest log ${File}`),
    });
    await faults.endState(() => expect(segmentsIn(s3, 'gap').length).toBe(before));
    await second.close();
  },
);

faultTest(['F61'], 'a server that begins its log anew, with the same names, is found out', async (faults) => {
  const order = archiveOrder(pair.primary, { timeline: 'reset' });
  const archiver = archiverAt(s3, order, agentDirectory());
  await archiver.drained();
  await pair.sql(pair.primary, 'RESET MASTER');
  const before = segmentsIn(s3, 'reset').length;
  faults.hit('F61');
  await archiver.tick();
  expect(archiver.state().state).toBe('dead-branch');
  await faults.endState(() => expect(segmentsIn(s3, 'reset').length).toBe(before));
  await archiver.close();
  // While nobody looked, and with names that seem to follow those that are archived.
  const own = { order: archiveOrder(pair.primary, { timeline: 'far' }), directory: agentDirectory() };
  const first = archiverAt(s3, own.order, own.directory);
  await pair.sql(pair.primary, "INSERT INTO shop.orders (note) VALUES ('archived')");
  await first.drained();
  await first.close();
  await pair.sql(pair.primary, 'RESET MASTER TO 90', "INSERT INTO shop.orders (note) VALUES ('anew')");
  const second = archiverAt(s3, own.order, own.directory);
  await second.tick();
  expect(second.state()).toMatchObject({
    state: 'dead-branch',
    reason: expect.stringContaining('oldest log'),
  });
  await second.close();
});
