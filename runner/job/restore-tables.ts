import { NamedError } from '../../contract/errors/named-error.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { RestoreTablesOrder, RestoreTablesResult } from '../../contract/records/restore-tables.ts';
import { openStored } from '../stream/stored.ts';
import { archivedLog } from './archived-log.ts';
import { refuse } from './backup.ts';
import { makePhases } from './phases.ts';
import { readLinks, readManifest } from './read-chain.ts';
import type { RestoreParts } from './restore.ts';
import type { Job } from './work.ts';

/** Brings tables of a backup back beside the live ones, reading only what they are made of. */
export async function runRestoreTables(
  order: RestoreTablesOrder,
  job: Job,
  parts: RestoreParts,
): Promise<RestoreTablesResult> {
  const { context } = job;
  const { tables } = parts.engine;
  if (tables === undefined) {
    throw new NamedError('Restore.NotYet', `tables of ${order.engine} are not restored by themselves yet`, {
      engine: order.engine,
    });
  }
  const { seconds, timed } = makePhases(job);
  const store = parts.openStore(order, parts.credentials(job));
  try {
    const { manifest } = await readLinks(order, job, store);
    refuse(await tables.preflight(order, manifest, context));
    const open = (of: Manifest) =>
      openStored({
        manifest: of,
        getObject: store.getObject,
        signal: context.signal,
        memoryMiB: order.policy.memoryMiB,
      });
    const { clusterId, chain = [] } = order;
    const below = chain
      .slice(0, -1)
      .map((link) => async () => open(await readManifest({ clusterId, ...link }, job, store)));
    const log = order.log && archivedLog(order.log, clusterId, store, context);
    const restored = await tables.restore(order, await open(manifest), context, log, timed, below);
    return {
      kind: 'restore-tables',
      jobId: job.jobId,
      backupId: order.backupId,
      memberId: order.member.memberId,
      ...restored,
      seconds,
    };
  } finally {
    await store.close();
  }
}
