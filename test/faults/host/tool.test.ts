import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { decodeManifest } from '../../../contract/formats/codec.ts';
import { backupPrefix } from '../../../contract/layout.ts';
import type { BackupOrder, JobRow } from '../../../contract/records/job.ts';
import type { Misbehaviour } from '../../doubles/mariadb-backup/misbehaviour.ts';
import { faultTest } from '../fault-test.ts';
import { expectNoBackup, expectNothingOnHost } from './support/end-state.ts';
import { type Host, startHost } from './support/host.ts';
import { seeded } from './support/seeded.ts';

const seed = 1101;
const random = seeded(seed);

let host: Host;
beforeAll(async () => {
  host = await startHost({ name: 'tool', tool: 'double' });
});
afterAll(async () => host?.close());
beforeEach(() => {
  host.tool.misbehave(undefined);
  host.s3.objects.clear();
  host.s3.seen.length = 0;
});

type Ended = { order: BackupOrder; row: JobRow; log: string; strikes: string[]; jobId: string };

/** A backup of the replica by the bundled runner, whose tool does this; then what it held is let go. */
async function backUp(how: Misbehaviour | undefined, changes: Partial<BackupOrder> = {}): Promise<Ended> {
  host.tool.misbehave(how);
  const order = host.orderOf(host.pair.replica, changes);
  const { row, log, jobId } = await host.run(order);
  await host.settle(jobId);
  return { order, row, log, jobId, strikes: host.tool.strikes() };
}

/** The job failed by this name, its task was told so, and nothing is left of it anywhere. */
async function expectFailed({ order, row, jobId }: Ended, name: string): Promise<void> {
  expect(row).toMatchObject({ state: 'failed', error: { name } });
  expect(host.tasks.calls.findLast((call) => call.taskToken === `token-${jobId}`)).toMatchObject({
    action: 'SendTaskFailure',
    error: name,
  });
  await expectNothingOnHost(host, host.pair.replica);
  await expectNoBackup(host, order);
}

async function expectWhole({ order, row }: Ended): Promise<void> {
  expect(row).toMatchObject({ state: 'succeeded' });
  expect(decodeManifest(host.manifestOf(order)!.bytes)).toMatchObject({ backupId: order.backupId });
  await expectNothingOnHost(host, host.pair.replica);
  expect(await host.control.catalog.locks.list()).toEqual([]);
}

faultTest(
  ['F01'],
  `a tool that exits with an error after part of its output leaves no backup, and says why (seed ${seed})`,
  async ({ hit, endState }) => {
    const ended = await backUp({ do: 'fail', at: random(), code: 1 });
    if (ended.strikes[0]?.startsWith('fail at ')) hit('F01');
    await endState(async () => {
      expect(host.s3.objects.size).toBeGreaterThan(0);
      await expectFailed(ended, 'Backup.ToolFailed');
      expect(ended.row.error?.cause).toMatch(/code 1: .*ibdata1 failed with errno 5/);
    });
  },
);

faultTest(
  ['F40'],
  'a tool that exits with 194 does not make the agent restart the host: the runner says 1',
  async ({ hit, endState }) => {
    host.tool.misbehave({ do: 'fail', at: random(), code: 194 });
    const order = host.orderOf(host.pair.replica);
    const jobId = await host.orderByHand(order);
    const { code } = await host.startRunner(jobId).ended;
    if (host.tool.strikes()[0]?.startsWith('fail at ')) hit('F40');
    await host.settle(jobId);
    await endState(async () => {
      expect(code).toBe(1);
      const row = await host.control.row(jobId);
      expect(row.error).toMatchObject({ name: 'Backup.ToolFailed', facts: { exitCode: 194 } });
      await expectNoBackup(host, order);
    });
  },
);

for (const edge of [false, true]) {
  faultTest(
    ['F02', 'F08'],
    `a stream that is cut ${edge ? 'between two chunks' : 'at any byte'} is no backup, although the tool says OK and exits with 0 (seed ${seed})`,
    async ({ hit, endState }) => {
      const ended = await backUp({ do: 'cut', at: random(), edge });
      if (ended.strikes[0]?.startsWith('cut at ')) {
        hit('F02');
        hit('F08');
      }
      await endState(async () => {
        await expectFailed(ended, 'Backup.Incomplete');
        expect(ended.row.error?.cause).toMatch(edge ? /xtrabackup_info/ : /within a chunk/);
        expect(ended.log).toContain('completed OK!');
      });
    },
  );
}

faultTest(
  ['F03'],
  `a tool that a signal kills has failed, and its runner tells it (seed ${seed})`,
  async ({ hit, endState }) => {
    const ended = await backUp({ do: 'die', at: random(), signal: 'SIGKILL' });
    if (ended.strikes[0]?.startsWith('die at ')) hit('F03');
    await endState(async () => {
      await expectFailed(ended, 'Backup.ToolFailed');
      expect(ended.row.error?.cause).toContain('by SIGKILL');
    });
  },
);

faultTest(
  ['F04'],
  'a store that refuses ends the tool, and its refusal is told, not the death of the tool',
  async ({ hit, endState }) => {
    host.s3.fault({
      method: 'PUT',
      times: 1,
      key: /volumes\/main\/000003/,
      kind: { do: 'answer', status: 403, code: 'AccessDenied' },
    });
    const ended = await backUp(undefined);
    if (host.s3.seen.some(({ status }) => status === 403)) hit('F04');
    await endState(async () => {
      await expectFailed(ended, 'Store.Denied');
      expect(ended.row.error?.cause).toContain('000003');
    });
  },
);

faultTest(
  ['F05'],
  'a tool that floods its stderr is neither held up nor kept in memory or on disk, and its backup is whole',
  async ({ hit, endState }) => {
    const ended = await backUp({ do: 'flood', at: 0.3, bytes: 32 * 1024 * 1024 });
    if (ended.strikes[0]?.startsWith('flood at ')) hit('F05');
    await endState(async () => {
      await expectWhole(ended);
      expect(ended.log.length).toBeLessThan(4 * 1024 * 1024);
      expect(ended.log).toMatch(/it says more than a log keeps[\s\S]*"message":"done"/);
    });
  },
);

faultTest(
  ['F06'],
  'frames that a compressor ended well are no backup where the tool died before them',
  async ({ hit, endState }) => {
    const order = host.orderOf(host.pair.replica);
    const ended = await backUp(
      { do: 'die', at: 0.9, signal: 'SIGTERM' },
      {
        policy: { ...host.policy, codec: 'zstd' },
        plan: { ...order.plan, volumeBytes: 64 * 1024, frameBytes: 16 * 1024 },
      },
    );
    const volumes = [...host.s3.objects].filter(([key]) => key.includes('/volumes/'));
    // The fault is that what is stored looks whole: every byte of it decompresses.
    const bytes = volumes.map(([, object]) => zstdDecompressSync(object.bytes).length);
    if (ended.strikes[0]?.startsWith('die at ') && bytes.some((n) => n > 0)) hit('F06');
    await endState(async () => {
      await expectFailed(ended, 'Backup.ToolFailed');
      const prefix = backupPrefix(ended.order);
      const kinds = [...host.s3.objects.keys()].map((key) => key.slice(prefix.length).split('/')[0]);
      expect([...new Set(kinds)].sort()).toEqual(['log', 'volumes']);
    });
  },
);

faultTest(
  ['F07'],
  'a tool that hangs is killed after stallSeconds, although the runner beats on',
  async ({ hit, endState }) => {
    const started = Date.now();
    const ended = await backUp({ do: 'hang', at: 0.5 }, { policy: { ...host.policy, stallSeconds: 10 } });
    if (ended.strikes[0]?.startsWith('hang at ')) hit('F07');
    await endState(async () => {
      await expectFailed(ended, 'Backup.Stalled');
      const { claimedAt, beatAt } = ended.row;
      expect(Date.parse(beatAt!) - Date.parse(claimedAt!)).toBeGreaterThan(4000);
      expect(Date.now() - started).toBeLessThan(120_000);
    });
  },
);

faultTest(
  ['F10'],
  'a table that the tool leaves out without a word is missed by its name',
  async ({ hit, endState }) => {
    await host.pair.sql(
      host.pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id INT PRIMARY KEY)',
      'INSERT INTO shop.orders VALUES (1)',
    );
    await host.pair.caughtUp();
    const ended = await backUp({ do: 'skip', table: 'shop/orders' });
    if (ended.strikes.includes('skip shop/orders.ibd')) hit('F10');
    await endState(async () => {
      await expectFailed(ended, 'Backup.Incomplete');
      expect(ended.row.error?.cause).toContain('the table "shop"."orders" has no data file');
    });
  },
);

faultTest(
  ['F19'],
  'a tool of another version is refused with both versions, before anything is stopped or written',
  async ({ hit, endState }) => {
    const ended = await backUp({ do: 'version', version: '10.6.12' });
    if (ended.strikes.includes('version 10.6.12')) hit('F19');
    await endState(async () => {
      await expectFailed(ended, 'Member.Ineligible');
      expect(ended.row.error?.cause).toMatch(/mariadb-backup 10\.6\.12 does not fit the server 10\.11\.\d+/);
      expect([...host.s3.objects.keys()].filter((key) => key.includes('/volumes/'))).toEqual([]);
      expect(ended.log).not.toContain('applier stopped');
    });
  },
);

faultTest(
  ['F53'],
  'a host whose clock is two hours slow writes the cloud’s time, and its backup is whole',
  async ({ hit, endState }) => {
    const [clock, shown] = [join(host.root, 'slow-clock.mjs'), join(host.root, 'slow-clock')];
    writeFileSync(
      clock,
      `import { appendFileSync } from 'node:fs';
       const True = Date;
       let told = false;
       const slow = () => {
         if (!told) appendFileSync(${JSON.stringify(shown)}, 'slow\\n');
         told = true;
         return True.now() - 7_200_000;
       };
       globalThis.Date = class Date extends True {
         constructor(...given) { given.length === 0 ? super(slow()) : super(...given); }
         static now() { return slow(); }
       };`,
    );
    host.agent.NODE_OPTIONS = `--import=${clock}`;
    const started = Date.now();
    const ended = await backUp(undefined);
    delete host.agent.NODE_OPTIONS;
    if (existsSync(shown) && readFileSync(shown, 'utf8').includes('slow')) hit('F53');
    await endState(async () => {
      await expectWhole(ended);
      const { claimedAt, beatAt, endedAt } = ended.row;
      for (const at of [claimedAt, beatAt, endedAt]) {
        expect(Date.parse(at!)).toBeGreaterThan(started - 60_000);
        expect(Date.parse(at!)).toBeLessThan(Date.now() + 60_000);
      }
      const { committedAt } = decodeManifest(host.manifestOf(ended.order)!.bytes);
      expect(Date.parse(committedAt)).toBeGreaterThan(started - 60_000);
    });
  },
);
