import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeManifest } from '../../../contract/formats/codec.ts';
import { backupPrefix, manifestKey } from '../../../contract/layout.ts';
import type { BackupOrder, JobRow } from '../../../contract/records/job.ts';
import { runningBackup } from '../../../functions/backup/order-job.ts';
import { makeHandler as makeVerify } from '../../../functions/backup/verify.ts';
import { makeObjects } from '../../../functions/clients/objects.ts';
import type { Engine } from '../../../runner/engines/engine.ts';
import { runBackup } from '../../../runner/job/backup.ts';
import { runRestore } from '../../../runner/job/restore.ts';
import type { CredentialsProvider } from '../../../runner/stream/sign.ts';
import type { Store } from '../../../runner/stream/store.ts';
import { openStored } from '../../../runner/stream/stored.ts';
import { type FaultProxy, startFaultProxy } from '../../doubles/fault-proxy.ts';
import { makeMemoryCatalog } from '../../doubles/memory-catalog.ts';
import { makeMemoryEngine, makeMemoryServer } from '../../doubles/memory-engine.ts';
import { makeMemoryRows } from '../../doubles/memory-rows.ts';
import { aHost } from '../../doubles/records.ts';
import { hostCredentials, openTestStore, runJob } from '../../unit/runner/job/job-under-test.ts';
import { backupOrder, queuedRow, restoreOrder } from '../../unit/runner/job/orders.ts';
import type { Faults } from '../fault-test.ts';
import type { EmulatedBucket } from './emulated-bucket.ts';

/** Rows that zstd cannot make small: 3,000 of 64 letters fill two volumes of 64 KiB and more. */
const tables = () => ({
  orders: Array.from({ length: 3000 }, (_, i) => createHash('sha256').update(`row ${i}`).digest('hex')),
});

/** What is left in the store of a backup, as control and a reader see it. */
export type Left =
  | { manifest: 'none' }
  | { manifest: 'stored'; verdict: string; readsBack: 'identical' | 'different' };

/**
 * One backup job of the real runner against a bucket with a fault proxy between them: everything but the table and
 * the database is real. `left` asks Verify about what is stored and reads the stream back, past the proxy.
 */
export async function backupAtProxy(
  bucket: EmulatedBucket,
  backupId: string,
  codec: BackupOrder['policy']['codec'] = backupOrder.policy.codec,
) {
  const proxy = await startFaultProxy(bucket.endpoint);
  const order = {
    ...backupOrder,
    backupId,
    policy: { ...backupOrder.policy, codec },
    plan: { ...backupOrder.plan, chain: backupId },
  } as BackupOrder;
  const jobId = `job-${backupId}`;
  const row = queuedRow(jobId, order);
  const rows = makeMemoryRows([structuredClone(row)]);
  const streamed: Buffer[] = [];

  /** What the tool writes is kept beside, to be compared with what comes back. */
  const engine = makeMemoryEngine(makeMemoryServer(tables()));
  const recorded: Engine = {
    ...engine,
    backup: (given, sinks, context) =>
      engine.backup(
        given,
        {
          open: (name) => {
            const sink = sinks.open(name);
            return {
              ...sink,
              write: (bytes) => {
                streamed.push(Buffer.from(bytes));
                return sink.write(bytes);
              },
            };
          },
        },
        context,
      ),
  };

  const never = async () => {
    throw new Error('not ordered');
  };
  const run = async (credentials: CredentialsProvider = hostCredentials) => {
    const ran = await runJob(rows, jobId, ({ jobLog, scratch }) => ({
      check: never,
      restore: never,
      'restore-tables': never,
      backup: (given, job) =>
        runBackup(given, job, {
          engine: recorded,
          openStore: () => openTestStore(proxy.url, credentials, jobLog),
          spoolDir: scratch,
        }),
    }));
    return {
      ...ran,
      state: ran.row.state,
      error: ran.row.error as { name: string; cause: string } | undefined,
    };
  };

  /** Verify as it is deployed, over the table in memory and the bucket at `endpoint`. */
  const verify = async (endpoint = bucket.endpoint) => {
    const catalog = makeMemoryCatalog();
    const host = aHost(order.member.hostId);
    const { clusterId, execution, lock } = row;
    const request = { jobId, host, clusterId, execution, lock, deadlineSeconds: 3600, order };
    await catalog.locks.take(row.lock ?? '', row.execution, row.createdAt);
    await catalog.jobs.dispatch(
      row as JobRow,
      host.userid,
      runningBackup(request, order, new Date(row.createdAt)),
    );
    const objects = makeObjects(bucket.client(endpoint), order.site.bucket);
    return makeVerify({ ...catalog, objectsOf: () => objects, now: () => new Date() })({
      clusterId: order.clusterId,
      backupId,
      execution: row.execution,
    });
  };

  const readBack = async (store: Store): Promise<Buffer> => {
    const bytes = await store.getSmallObject({ key: manifestKey(order), most: 1024 ** 2 });
    const stored = await openStored({
      manifest: decodeManifest(bytes),
      getObject: store.getObject,
      signal: new AbortController().signal,
      memoryMiB: 512,
    });
    const pieces: Buffer[] = [];
    for await (const piece of stored.read('main')) pieces.push(Buffer.from(piece));
    return Buffer.concat(pieces);
  };

  const reader = (endpoint: string, credentials: CredentialsProvider = hostCredentials) =>
    openTestStore(endpoint, credentials, { log: () => {}, text: () => '', hide: () => {}, redact: (t) => t });

  const left = async (): Promise<Left> => {
    const objects = makeObjects(bucket.client(bucket.endpoint), order.site.bucket);
    if ((await objects.head(manifestKey(order))) === undefined) return { manifest: 'none' };
    const answer = await verify();
    const store = reader(bucket.endpoint);
    const identical = (await readBack(store)).equals(Buffer.concat(streamed));
    await store.close();
    return {
      manifest: 'stored',
      verdict: answer.outcome,
      readsBack: identical ? 'identical' : 'different',
    };
  };

  /** A restore job of the stored backup through the proxy; `target` says what is left of the directory. */
  const restore = async () => {
    const place = mkdtempSync(join(tmpdir(), 'restore-at-proxy-'));
    const directory = join(place, 'restored');
    const manifest = await makeObjects(bucket.client(bucket.endpoint), order.site.bucket).get(
      manifestKey(order),
    );
    const sha256 = createHash('sha256')
      .update(manifest?.body ?? '')
      .digest('hex');
    const restoring = { ...restoreOrder(sha256, directory), backupId };
    try {
      const { row: ended } = await runJob(
        makeMemoryRows([queuedRow('j-restore', restoring)]),
        'j-restore',
        ({ jobLog }) => ({
          check: never,
          backup: never,
          'restore-tables': never,
          restore: (given, job) =>
            runRestore(given, job, {
              engine,
              credentials: () => hostCredentials,
              openStore: (_, credentials) => openTestStore(proxy.url, credentials, jobLog),
            }),
        }),
      );
      return {
        state: ended.state,
        error: ended.error as { name: string; cause: string } | undefined,
        target: existsSync(directory) ? 'there' : 'absent',
      };
    } finally {
      rmSync(place, { recursive: true });
    }
  };

  return {
    order,
    proxy: proxy as FaultProxy,
    run,
    verify,
    left,
    restore,
    /** Another manifest lies where this job will put its own. */
    occupyManifest: async () => {
      const objects = makeObjects(bucket.client(bucket.endpoint), order.site.bucket);
      await objects.putOnce(manifestKey(order), '{"v":1}');
    },
    /** Reads the stream through the proxy, with the patience of tests. */
    readThroughProxy: async (credentials?: CredentialsProvider) => {
      const store = reader(proxy.url, credentials);
      try {
        return (await readBack(store)).equals(Buffer.concat(streamed));
      } finally {
        await store.close();
      }
    },
    /** Puts of one kind of object. */
    puts: (what: 'volumes' | 'index' | 'log' | 'manifest.json') => {
      const prefix = `/${order.site.bucket}/${backupPrefix(order)}${what}`;
      return ({ method, path }: { method: string; path: string }) =>
        method === 'PUT' && path.startsWith(prefix);
    },
  };
}

export type BackupAtProxy = Awaited<ReturnType<typeof backupAtProxy>>;

/** What a fault test does with a job of its own; the job's proxy is stopped also where the test fails. */
export const withJobOf =
  (make: () => Promise<BackupAtProxy>) =>
  (run: (job: BackupAtProxy, faults: Faults) => Promise<void>) =>
  async (faults: Faults): Promise<void> => {
    const job = await make();
    try {
      await run(job, faults);
    } finally {
      await job.proxy.stop();
    }
  };

/** The end state of every fault that holdfast outlives. */
export const committed: Left = { manifest: 'stored', verdict: 'verified', readsBack: 'identical' };

/** Credentials under the key `EXPIRING` until new ones are asked for, then under `RENEWED`; `asked`: how often. */
export function expiringCredentials(): { credentials: CredentialsProvider; asked: () => number } {
  let asked = 0;
  return {
    credentials: async ({ forceRefresh = false } = {}) => {
      if (forceRefresh) asked += 1;
      return { accessKeyId: asked > 0 ? 'RENEWED' : 'EXPIRING', secretAccessKey: 'x', sessionToken: 'y' };
    },
    asked: () => asked,
  };
}
