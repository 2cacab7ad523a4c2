import { NamedError } from '../../contract/errors/named-error.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { RestoreOrder, RestoreResult } from '../../contract/records/job.ts';
import { compareFingerprints } from '../engines/compare-fingerprints.ts';
import type { Engine, RestoredInstance } from '../engines/engine.ts';
import type { CredentialsProvider } from '../stream/sign.ts';
import type { Store } from '../stream/store.ts';
import { openStored } from '../stream/stored.ts';
import { archivedLog } from './archived-log.ts';
import { refuse } from './backup.ts';
import { makePhases } from './phases.ts';
import { readLinks, readManifest } from './read-chain.ts';
import type { Job } from './work.ts';

export type RestoreParts = {
  engine: Engine;
  /** Reading rights for this backup, from the broker. */
  credentials: (job: Job) => CredentialsProvider;
  openStore: (order: Pick<RestoreOrder, 'site'>, credentials: CredentialsProvider) => Store;
};

const differencesShown = 10;

/** Brings a backup back as a new instance beside whatever there is, starts it cut off, and proves what it holds. */
export async function runRestore(order: RestoreOrder, job: Job, parts: RestoreParts): Promise<RestoreResult> {
  const { context } = job;
  const { engine } = parts;
  const { seconds, timed } = makePhases(job);

  const store = parts.openStore(order, parts.credentials(job));
  const open = (manifest: Manifest) =>
    openStored({
      manifest,
      getObject: store.getObject,
      signal: context.signal,
      memoryMiB: order.policy.memoryMiB,
    });
  try {
    const { apply } = engine.restore;
    if (order.chain !== undefined && apply === undefined) {
      throw new NamedError('Runner.VersionUnsupported', `this runner restores no chains of ${order.engine}`, {
        engine: order.engine,
      });
    }
    const { base, incrementals, manifest } = await readLinks(order, job, store);
    refuse(await engine.restore.preflight(order, manifest, context));
    await timed('unpacking', async () => engine.restore.unpack(order, await open(base), context));
    await timed('preparing', () => engine.restore.prepare(order, base, context));
    for (const [i, link] of incrementals.entries()) {
      await timed(`applying incremental ${i + 1} of ${incrementals.length}`, async () =>
        // Read anew: the manifests of a long chain of many tables do not fit into the memory all at once.
        apply?.(order, await open(await readManifest(link, job, store)), context),
      );
    }
    const log = order.log && archivedLog(order.log, order.clusterId, store, context);
    const instance = await timed('starting', () => engine.restore.start(order, manifest, context, log));
    return judge(order, job, manifest, instance, seconds);
  } finally {
    await store.close();
  }
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
    ...(instance.replay === undefined ? {} : { replay: instance.replay }),
  };
}
