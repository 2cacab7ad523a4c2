import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  BackupOrder,
  BackupResult,
  RestoreOrder,
  RestoreResult,
} from '../../../../contract/records/job.ts';
import type { Engine } from '../../../../runner/engines/engine.ts';
import { runBackup } from '../../../../runner/job/backup.ts';
import { runRestore } from '../../../../runner/job/restore.ts';
import { type MemoryServer, makeMemoryEngine, makeMemoryServer } from '../../../doubles/memory-engine.ts';
import { makeMemoryRows } from '../../../doubles/memory-rows.ts';
import { type S3Server, startS3Server } from '../../../doubles/s3-server.ts';
import { hostCredentials, openTestStore, runJob } from './job-under-test.ts';
import { backupOrder, queuedRow, restoreOrder } from './orders.ts';

const never = async () => {
  throw new Error('not ordered');
};

let s3: S3Server;
let server: MemoryServer;
let directory: string;
let applied: string[];
let chain: NonNullable<RestoreOrder['chain']>;

/** An engine whose incrementals are whole streams: applying one puts it in the place of what was prepared. */
function chainEngine(lsn: { from: string; to: string; last: string }): Engine {
  const engine = makeMemoryEngine(server);
  return {
    ...engine,
    backup: async (...given) => ({ ...(await engine.backup(...given)), lsn }),
    restore: {
      ...engine.restore,
      apply: async (order, stored, context) => {
        applied.push(stored.manifest.backupId);
        rmSync(dirname(join(`${order.target.directory}.partial`, 'stream')), { recursive: true });
        await engine.restore.unpack(order, stored, context);
      },
    },
  };
}

/** Takes the n-th backup of the chain, each with one table more. */
async function take(n: number, change: { from?: string; parent?: string } = {}) {
  server.tables.set(`more-${n}`, [`row of ${n}`]);
  const { from = String(n * 10), parent = n === 0 ? null : `b-${n - 1}` } = change;
  const level = n === 0 ? ('full' as const) : ('incremental' as const);
  const order = {
    ...backupOrder,
    backupId: `b-${n}`,
    plan: { ...backupOrder.plan, level, chain: 'b-0', parent },
  } as unknown as BackupOrder;
  const engine = chainEngine({ from, to: String((n + 1) * 10), last: String((n + 1) * 10) });
  const { row } = await runJob(
    makeMemoryRows([queuedRow(`j-${n}`, order)]),
    `j-${n}`,
    ({ jobLog, scratch }) => ({
      check: never,
      restore: never,
      'restore-tables': never,
      backup: (given, job) =>
        runBackup(given, job, {
          engine,
          openStore: () => openTestStore(s3.url, hostCredentials, jobLog),
          spoolDir: scratch,
        }),
    }),
  );
  const { manifestSha256 } = row.result as BackupResult;
  chain.push({ backupId: `b-${n}`, manifestSha256 });
}

async function restore(links = chain, engine: Engine = chainEngine({ from: '0', to: '0', last: '0' })) {
  const { backupId, manifestSha256 } = links.at(-1)!;
  const order = { ...restoreOrder(manifestSha256, directory), backupId, chain: links };
  const { row } = await runJob(makeMemoryRows([queuedRow('j-r', order)]), 'j-r', ({ jobLog }) => ({
    check: never,
    backup: never,
    'restore-tables': never,
    restore: (given, job) =>
      runRestore(given, job, {
        engine,
        credentials: () => hostCredentials,
        openStore: (_order, credentials) => openTestStore(s3.url, credentials, jobLog),
      }),
  }));
  return row;
}

beforeEach(async () => {
  s3 = await startS3Server();
  server = makeMemoryServer({ orders: ['one', 'two'] });
  directory = join(mkdtempSync(join(tmpdir(), 'restore-chain-')), 'data');
  applied = [];
  chain = [];
  await take(0);
  await take(1);
});
afterEach(async () => {
  await s3.stop();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

describe('a restore of a chain', () => {
  it('unpacks the base, applies each incremental in order, and compares with the last', async () => {
    await take(2);
    const { result } = await restore();
    expect(applied).toEqual(['b-1', 'b-2']);
    expect(result).toMatchObject({ backupId: 'b-2', comparison: 'exact', tables: 4 });
    expect(Object.keys((result as RestoreResult).seconds)).toEqual([
      'unpacking',
      'preparing',
      'applying incremental 1 of 2',
      'applying incremental 2 of 2',
      'starting',
    ]);
  });

  it.each<[string, () => Promise<unknown>, RegExp]>([
    [
      'does not begin where its parent ends',
      () => take(2, { from: '19' }),
      /b-2 does not build on b-1: it begins at LSN 19, the other ends at 20/,
    ],
    ['has another parent', () => take(2, { parent: 'b-0' }), /b-2 does not build on b-1: its parent is b-0/],
    [
      'is left out',
      async () => take(2).then(() => chain.splice(1, 1)),
      /b-2 does not build on b-0: its parent is b-1/,
    ],
    ['has no base', async () => chain.shift(), /begins with b-1, which is an incremental on b-0/],
  ])('F58: touches nothing where a link %s', async (_, change, why) => {
    await change();
    const links = chain.length > 1 ? chain : [...chain, ...chain];
    expect((await restore(links)).error).toMatchObject({
      name: 'Backup.ChainBroken',
      cause: expect.stringMatching(why),
    });
    expect(existsSync(`${directory}.partial`)).toBe(false);
    expect(applied).toEqual([]);
  });

  it('takes no manifest but the recorded one of each link', async () => {
    const links = chain.map((link, n) => (n === 0 ? { ...link, manifestSha256: '0'.repeat(64) } : link));
    expect((await restore(links)).error).toMatchObject({ name: 'Restore.StreamDamaged' });
  });

  it('is refused by name by an engine that applies none', async () => {
    expect((await restore(chain, makeMemoryEngine(server))).error).toMatchObject({
      name: 'Runner.VersionUnsupported',
      cause: 'this runner restores no chains of mysql',
    });
  });
});
