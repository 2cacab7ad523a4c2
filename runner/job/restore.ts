import { createHash } from 'node:crypto';
import { NamedError } from '../../contract/errors/named-error.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey } from '../../contract/layout.ts';
import type { RestoreOrder, RestoreResult } from '../../contract/records/job.ts';
import { compareFingerprints } from '../engines/compare-fingerprints.ts';
import type { Engine, RestoredInstance } from '../engines/engine.ts';
import type { CredentialsProvider } from '../stream/sign.ts';
import type { Store } from '../stream/store.ts';
import { openStored } from '../stream/stored.ts';
import { refuse } from './backup.ts';
import { makePhases } from './phases.ts';
import type { Job } from './work.ts';

export type RestoreParts = {
  engine: Engine;
  /** Reading rights for this backup, from the broker. */
  credentials: (job: Job) => CredentialsProvider;
  openStore: (order: Pick<RestoreOrder, 'site'>, credentials: CredentialsProvider) => Store;
};

/** A manifest is small whatever the backup's size; with 100,000 tables' facts in it about 20 MB. */
const largestManifest = 64 * 1024 * 1024;
const differencesShown = 10;

/** Brings a backup back as a new instance beside whatever there is, starts it cut off, and proves what it holds. */
export async function runRestore(order: RestoreOrder, job: Job, parts: RestoreParts): Promise<RestoreResult> {
  const { context } = job;
  const { engine } = parts;
  const { seconds, timed } = makePhases(job);

  const store = parts.openStore(order, parts.credentials(job));
  try {
    const manifest = await readManifest(order, job, store);
    refuse(await engine.restore.preflight(order, manifest, context));
    await timed('unpacking', async () => {
      const stored = await openStored({
        manifest,
        getObject: store.getObject,
        signal: context.signal,
        memoryMiB: order.policy.memoryMiB,
      });
      await engine.restore.unpack(order, stored, context);
    });
    await timed('preparing', () => engine.restore.prepare(order, manifest, context));
    const instance = await timed('starting', () => engine.restore.start(order, manifest, context));
    return judge(order, job, manifest, instance, seconds);
  } finally {
    await store.close();
  }
}

/** The manifest that was recorded, and no other: hosts can write manifests, so its bytes are pinned by the order. */
export async function readManifest(
  order: Pick<RestoreOrder, 'clusterId' | 'backupId' | 'manifestSha256'>,
  job: Job,
  store: Store,
): Promise<Manifest> {
  const { context } = job;
  context.progress('reading the manifest');
  const key = manifestKey(order);
  const bytes = await store.getSmallObject({ key, most: largestManifest, signal: context.signal });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== order.manifestSha256) {
    throw new NamedError(
      'Restore.StreamDamaged',
      `${key} has the SHA-256 ${sha256}; the one that was recorded has ${order.manifestSha256}`,
      { key, sha256, recorded: order.manifestSha256 },
    );
  }
  return decodeManifest(bytes);
}

function judge(
  order: RestoreOrder,
  job: Job,
  manifest: Manifest,
  instance: RestoredInstance,
  seconds: Record<string, number>,
): RestoreResult {
  const { comparison, differences, tables, rows } = compareFingerprints(manifest, instance.fingerprint);
  if (differences.length > 0) {
    const shown = differences.slice(0, differencesShown).join('; ');
    const more =
      differences.length > differencesShown ? `; and ${differences.length - differencesShown} more` : '';
    throw new NamedError(
      'Restore.FingerprintDiffers',
      `${shown}${more}. The instance is left as it is in ${order.target.directory}: ${instance.howToReach}`,
      { differences: differences.length, directory: order.target.directory },
    );
  }
  return {
    kind: 'restore',
    jobId: job.jobId,
    backupId: order.backupId,
    directory: order.target.directory,
    port: instance.port,
    socket: instance.socket,
    serverId: instance.serverId,
    position: instance.position,
    comparison,
    tables,
    rows,
    seconds,
    howToReach: instance.howToReach,
  };
}
