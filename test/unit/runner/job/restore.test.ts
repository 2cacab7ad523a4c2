import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { manifestKey, volumeKey } from '../../../../contract/layout.ts';
import type { BackupOrder, BackupResult, JobRow, RestoreResult } from '../../../../contract/records/job.ts';
import type { Engine } from '../../../../runner/engines/engine.ts';
import { runBackup } from '../../../../runner/job/backup.ts';
import { type AskBroker, makeBrokerCredentials } from '../../../../runner/job/broker.ts';
import { runRestore } from '../../../../runner/job/restore.ts';
import { type MemoryServer, makeMemoryEngine, makeMemoryServer } from '../../../doubles/memory-engine.ts';
import { type MemoryRows, makeMemoryRows } from '../../../doubles/memory-rows.ts';
import { type S3Server, startS3Server } from '../../../doubles/s3-server.ts';
import { hostCredentials, openTestStore, runJob } from './job-under-test.ts';
import { backupOrder, queuedRow, restoreOrder } from './orders.ts';

const order = backupOrder as unknown as BackupOrder;
const never = async () => {
  throw new Error('not ordered');
};

let s3: S3Server;
let server: MemoryServer;
let directory: string;
let manifestSha256: string;
beforeEach(async () => {
  s3 = await startS3Server();
  server = makeMemoryServer({
    orders: Array.from({ length: 3000 }, (_, i) => `row ${i} ${(i * 7919) % 10007}`),
  });
  directory = join(mkdtempSync(join(tmpdir(), 'restore-')), 'data');
  const { row } = await runJob(makeMemoryRows([queuedRow('j-1', order)]), 'j-1', ({ jobLog, scratch }) => ({
    check: never,
    restore: never,
    'restore-tables': never,
    backup: (given, job) =>
      runBackup(given, job, {
        engine: makeMemoryEngine(server),
        openStore: () => openTestStore(s3.url, hostCredentials, jobLog),
        spoolDir: scratch,
      }),
  }));
  manifestSha256 = (row.result as BackupResult).manifestSha256;
});
afterEach(async () => {
  await s3.stop();
  rmSync(join(directory, '..'), { recursive: true, force: true });
});

let rows: MemoryRows;
/** The broker as the control plane has it: it compares the secret with the hash in the claimed row. */
const broker: AskBroker = async ({ jobId, secret }) => {
  const row = rows.rows.get(jobId) as JobRow | undefined;
  const known = row?.claimSecretSha256 === createHash('sha256').update(secret).digest('hex');
  if (!known || row?.state !== 'claimed') {
    return { outcome: 'refused', error: { name: 'Broker.Refused', cause: 'the job is not live' } };
  }
  return {
    outcome: 'granted',
    accessKeyId: 'narrowed',
    secretAccessKey: 'secret-of-an-hour',
    sessionToken: 'token-of-an-hour',
    expiration: new Date(Date.now() + 3_600_000).toISOString(),
  };
};

function restore(options: { engine?: Engine; ask?: AskBroker; sha256?: string } = {}) {
  const { engine = makeMemoryEngine(server), ask = broker, sha256 = manifestSha256 } = options;
  rows = makeMemoryRows([queuedRow('j-2', restoreOrder(sha256, directory))]);
  return runJob(rows, 'j-2', ({ jobLog, clock }) => ({
    check: never,
    backup: never,
    'restore-tables': never,
    restore: (given, job) =>
      runRestore(given, job, {
        engine,
        credentials: ({ jobId, hostId, secret }) =>
          makeBrokerCredentials({ ask, hostId, jobId, secret, now: clock.now, hide: jobLog.hide }),
        openStore: (_order, credentials) => openTestStore(s3.url, credentials, jobLog),
      }),
  }));
}

describe('a restore job', () => {
  it('brings back what the backup job stored, and proves it', async () => {
    const { outcome, row } = await restore();
    expect(outcome).toBe('succeeded');
    const result = row.result as RestoreResult;
    expect(result).toMatchObject({
      kind: 'restore',
      jobId: 'j-2',
      backupId: 'b-1',
      directory,
      port: 13306,
      comparison: 'exact',
      tables: 1,
      rows: 3000,
    });
    expect(Object.keys(result.seconds)).toEqual(['unpacking', 'preparing', 'starting']);
    expect(server.started.get(13306)).toEqual(server.tables);
  });

  it('reads with what the broker gave it, never with the host’s own rights', async () => {
    await restore();
    const reads = s3.seen.filter(({ method }) => method === 'GET');
    expect(reads.length).toBeGreaterThan(2);
    for (const { headers } of reads) {
      expect(headers.authorization).toContain('Credential=narrowed/');
      expect(headers['x-amz-security-token']).toBe('token-of-an-hour');
    }
  });

  it('ends by name when the broker refuses', async () => {
    const { row } = await restore({
      ask: async () => ({ outcome: 'refused', error: { name: 'Broker.Refused', cause: 'the lock is gone' } }),
    });
    expect(row.error).toMatchObject({
      name: 'Broker.Refused',
      cause: expect.stringContaining('the lock is gone'),
    });
    expect(existsSync(directory)).toBe(false);
  });

  it('does not follow another manifest than the one that was recorded', async () => {
    const { row } = await restore({ sha256: '0'.repeat(64) });
    expect(row.error).toMatchObject({
      name: 'Restore.StreamDamaged',
      cause: expect.stringContaining(manifestSha256),
    });
    expect(existsSync(directory)).toBe(false);
  });

  it('says when there is no manifest', async () => {
    s3.objects.delete(manifestKey(order));
    expect((await restore()).row.error).toMatchObject({
      name: 'Restore.StreamDamaged',
      cause: expect.stringContaining('manifest.json'),
    });
  });

  it('F67 touches nothing where the engine refuses the target', async () => {
    mkdirSync(directory);
    writeFileSync(join(directory, 'precious'), '');
    const before = s3.seen.length;
    const { row } = await restore();
    expect(row.error).toMatchObject({
      name: 'Restore.DirectoryNotEmpty',
      cause: expect.stringContaining('precious'),
    });
    expect(s3.seen.slice(before).map(({ key }) => key)).toEqual([manifestKey(order)]);
  });

  it('does not start what arrived damaged', async () => {
    const volume = s3.objects.get(volumeKey(order, 'main', 0))!;
    volume.bytes[volume.bytes.length >> 1]! ^= 1;
    const { row } = await restore();
    expect(row.error).toMatchObject({ name: 'Restore.StreamDamaged' });
    expect(server.started.size).toBe(0);
  });

  it('F74 does not call a restore proven whose data differs, and says where it is', async () => {
    const engine = makeMemoryEngine(server);
    const { row } = await restore({
      engine: {
        ...engine,
        restore: {
          ...engine.restore,
          start: async (...given) => {
            const instance = await engine.restore.start(...given);
            return { ...instance, fingerprint: { ...instance.fingerprint, tables: [] } };
          },
        },
      },
    });
    expect(row.error).toMatchObject({
      name: 'Restore.FingerprintDiffers',
      cause: expect.stringContaining('shop.orders is missing'),
    });
    expect((row.error as { cause: string }).cause).toContain(directory);
  });
});
