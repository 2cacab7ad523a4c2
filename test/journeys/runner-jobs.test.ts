import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeManifest } from '../../contract/formats/codec.ts';
import { manifestKey } from '../../contract/layout.ts';
import {
  type BackupOrder,
  type BackupResult,
  type CheckOrder,
  type Order,
  progressSchema,
  type RestoreResult,
} from '../../contract/records/job.ts';
import { freePort } from '../../infra/local/wait.ts';
import { makeMysqlEngine } from '../../runner/engines/mysql/engine.ts';
import { makeWorks } from '../../runner/job/works.ts';
import { makeMemoryRows } from '../doubles/memory-rows.ts';
import { type S3Server, startS3Server } from '../doubles/s3-server.ts';
import { hostCredentials, openTestStore, runJob } from '../unit/runner/job/job-under-test.ts';
import { queuedRow } from '../unit/runner/job/orders.ts';
import { type Pair, startPair } from './support/mariadb-pair.ts';
import { backupOrderFor, memberOf, policy, restoreOrderFor, stopRestored } from './support/mysql-jobs.ts';

describe('jobs over MariaDB and a store', () => {
  let pair: Pair;
  let s3: S3Server;
  let order: BackupOrder;
  const restored: string[] = [];

  beforeAll(async () => {
    s3 = await startS3Server();
    pair = await startPair('jobs');
    await pair.sql(
      pair.primary,
      'CREATE DATABASE shop',
      'CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, body VARCHAR(4000))',
      "INSERT INTO shop.orders (body) VALUES (REPEAT('a', 3000))",
      ...Array.from(
        { length: 13 },
        () => 'INSERT INTO shop.orders (body) SELECT CONCAT(MD5(RAND()), body) FROM shop.orders LIMIT 2000',
      ),
    );
    await pair.caughtUp();
    const plain = backupOrderFor(memberOf(pair.replica));
    order = {
      ...plain,
      policy: { ...policy, codec: 'zstd' },
      plan: { ...plain.plan, volumeBytes: 256 * 1024, frameBytes: 128 * 1024 },
    };
  }, 120_000);
  afterAll(async () => {
    for (const directory of restored) await stopRestored(directory);
    await pair?.close();
    await s3?.stop();
  });

  async function run(jobId: string, given: Order) {
    const spoolDir = join(pair.directory, 'spool');
    mkdirSync(spoolDir, { recursive: true });
    const engine = makeMysqlEngine({ stateDirectory: join(pair.directory, 'state') });
    const ended = await runJob(makeMemoryRows([queuedRow(jobId, given)]), jobId, ({ jobLog }) =>
      makeWorks(() => engine, {
        backup: { openStore: () => openTestStore(s3.url, hostCredentials, jobLog), spoolDir },
        restore: {
          credentials: () => hostCredentials,
          openStore: (_order, credentials) => openTestStore(s3.url, credentials, jobLog),
        },
      }),
    );
    if (ended.outcome !== 'succeeded') throw new Error(`${JSON.stringify(ended.row.error)}\n${ended.log}`);
    return ended;
  }

  it('checks a member and the place for a restore', async () => {
    const target = {
      hostId: 'mi-0abc',
      directory: join(pair.directory, 'later'),
      port: await freePort(),
      user: 'mysql',
    };
    const check: CheckOrder = {
      kind: 'check',
      engine: 'mysql',
      flavour: 'mariadb',
      member: order.member,
      policy: order.policy,
      target,
    };
    const { row } = await run('j-check', check);
    expect(row.result).toMatchObject({
      member: { reachable: true, role: 'replica', ineligible: [] },
      target: { directoryState: 'absent', portFree: true, userExists: true },
    });
  });

  it.each(['physical', 'logical'] as const)(
    'a %s backup of a replica lies in many volumes and comes back on another port, exact',
    async (method) => {
      const backupId = `b-${method}`;
      // A dump of rows that are much alike takes little.
      const volumeBytes = method === 'logical' ? 64 * 1024 : order.plan.volumeBytes;
      const frameBytes = Math.min(volumeBytes / 2, order.plan.frameBytes);
      const plan = { ...order.plan, method, volumeBytes, frameBytes, spoolBytes: 256 * 1024 * 1024 };
      const wanted: BackupOrder = { ...order, backupId, plan };
      const { row } = await run(`j-backup-${method}`, wanted);
      const result = row.result as BackupResult;
      expect(result.volumes).toBeGreaterThan(3);
      expect(result.storedBytes).toBeLessThan(result.bytes);
      const manifest = decodeManifest(s3.objects.get(manifestKey(wanted))!.bytes);
      expect(manifest.comparison).toBe('exact');
      // Of the last beat, which may be of a moment before the end.
      const { bytes } = progressSchema.parse(row.progress);
      expect(bytes).toBeGreaterThan(0);
      expect(bytes).toBeLessThanOrEqual(result.bytes);

      const directory = join(pair.directory, `restored-${method}`);
      restored.push(directory);
      const restore = {
        ...restoreOrderFor(directory, await freePort()),
        backupId,
        manifestSha256: result.manifestSha256,
      };
      const back = (await run(`j-restore-${method}`, restore)).row.result as RestoreResult;
      expect(back).toMatchObject({ comparison: 'exact', directory, port: restore.target.port });
      expect(back.rows).toBe(manifest.metrics.rows);
      expect(
        createHash('sha256')
          .update(s3.objects.get(manifestKey(wanted))!.bytes)
          .digest('hex'),
      ).toBe(restore.manifestSha256);
    },
  );
});
