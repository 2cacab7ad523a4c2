import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { crc32, zstdCompress } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { ErrorName } from '../../contract/errors/names.ts';
import { encodeManifest } from '../../contract/formats/codec.ts';
import { logKey, manifestKey } from '../../contract/layout.ts';
import type { BackupOrder, BackupResult } from '../../contract/records/job.ts';
import type { Engine, PreflightOutcome } from '../engines/engine.ts';
import { openSinks, type StreamSinks } from '../stream/sink.ts';
import { sweepSpools } from '../stream/spool.ts';
import type { Store } from '../stream/store.ts';
import { composeManifest } from './manifest.ts';
import type { Job } from './work.ts';

export type BackupParts = {
  engine: Engine;
  /** Opens the site's bucket with this host's own rights, which are to write only. */
  openStore: (order: BackupOrder) => Store;
  /** On a disk: a lock phase may put up to 1 GiB there. */
  spoolDir: string;
};

/** A job that failed because the store is away must not wait for it once more. */
const failedLogMs = 15_000;

const compress = promisify(zstdCompress);

/**
 * Captures one member into the bucket. The manifest is put last and only on condition that the job is neither
 * cancelled nor lost; whatever breaks before leaves objects that nobody counts.
 */
export async function runBackup(order: BackupOrder, job: Job, parts: BackupParts): Promise<BackupResult> {
  const { context } = job;
  const { engine } = parts;
  const store = parts.openStore(order);
  try {
    context.progress('preparing the backup');
    sweepSpools(parts.spoolDir);
    await engine.sweep(order, context);
    refuse(await engine.preflight(order, context));
    const sinks = openSinks({
      place: { clusterId: order.clusterId, backupId: order.backupId },
      jobId: job.jobId,
      plan: order.plan,
      policy: order.policy,
      putObject: store.putObject,
      spoolDir: parts.spoolDir,
    });
    try {
      return await commit(order, job, store, await capture(order, job, engine, sinks));
    } catch (error) {
      await putLog(order, job, store, AbortSignal.timeout(failedLogMs)).catch(() => undefined);
      throw error;
    }
  } finally {
    await store.close();
  }
}

type Captured = Awaited<ReturnType<typeof capture>>;

/** The engine's streams, stored with their index. An ended job ends the uploads too, so that nothing waits for them. */
async function capture(order: BackupOrder, job: Job, engine: Engine, sinks: StreamSinks) {
  const { context } = job;
  const { signal } = context;
  const end = () => void sinks.abort(signal.reason as Error);
  signal.addEventListener('abort', end, { once: true });
  try {
    signal.throwIfAborted();
    const facts = await engine.backup(order, sinks, context);
    context.progress('storing what is left', sinks.progress().bytes);
    return { facts, streams: await sinks.finish() };
  } catch (error) {
    await sinks.abort(error as Error);
    throw error;
  } finally {
    signal.removeEventListener('abort', end);
  }
}

async function commit(
  order: BackupOrder,
  job: Job,
  store: Store,
  { facts, streams }: Captured,
): Promise<BackupResult> {
  const { context } = job;
  const committedAt = job.clock.now();
  const manifest = composeManifest(order, facts, streams, { ...job, committedAt });
  const body = Buffer.from(encodeManifest(manifest));
  const key = manifestKey(order);
  context.progress('committing', manifest.metrics.bytes, manifest.metrics.bytes);
  context.log('stored', {
    bytes: manifest.metrics.bytes,
    storedBytes: manifest.metrics.storedBytes,
    comparison: manifest.comparison,
  });
  await putLog(order, job, store, context.signal);
  await job.enterCommitting();
  await store.putObject({ key, body, crc: crc32(body), signal: context.signal });
  return {
    kind: 'backup',
    jobId: job.jobId,
    backupId: order.backupId,
    manifestKey: key,
    manifestSha256: createHash('sha256').update(body).digest('hex'),
    bytes: manifest.metrics.bytes,
    storedBytes: manifest.metrics.storedBytes,
    volumes: streams.reduce((sum, s) => sum + s.volumes, 0),
  };
}

/** The log goes up before the manifest, so that a backup that counts has one; of a failed job as far as it came. */
async function putLog(order: BackupOrder, job: Job, store: Store, signal: AbortSignal): Promise<void> {
  const body = await compress(Buffer.from(job.logText()));
  await store.putObject({ key: logKey(order, job.jobId), body, crc: crc32(body), signal });
}

/** A refusal is a decision of the engine; for the job it is the end, under the name that the engine gave. */
export function refuse(outcome: PreflightOutcome): void {
  if (outcome.outcome === 'refused') throw new NamedError(outcome.name as ErrorName, outcome.cause);
}
