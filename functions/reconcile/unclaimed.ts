import {
  backupPrefix,
  backupsPrefix,
  clusterPrefix,
  controlFolders,
  manifestKey,
} from '../../contract/layout.ts';
import type { SiteRef } from '../../contract/records/backup.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Folders } from '../clients/folders.ts';
import { limited } from '../clients/limited.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { Sites } from '../env/variables.ts';
import type { Log } from '../log/log.ts';
import { type UnclaimedSegmentsDeps, unclaimedSegments } from '../logs/unclaimed-segments.ts';
import { passSeconds } from './clusters-of-pass.ts';
import { each } from './each.ts';

/**
 * A host may write below any cluster's prefix, and as much as it likes, while this pass is everybody's: of each kind
 * so many are looked at in one cluster or site, and that is enough for the alarm.
 */
export const foreignAtMost = 200;

/** What is stored and nobody ordered, as `s3://…`: reported, never used, never deleted. */
export type Unclaimed = {
  manifests: string[];
  /** Folders without a manifest, segments of logs, and whatever else lies below a cluster's prefix. */
  others: string[];
};

/** The first names of a list for which `isForeign` holds. */
async function firstForeign(names: AsyncIterable<string>, isForeign: (name: string) => boolean) {
  const foreign: string[] = [];
  for await (const name of names) {
    if (isForeign(name)) foreign.push(name);
    if (foreign.length >= foreignAtMost) break;
  }
  return foreign;
}

export type UnclaimedDeps = UnclaimedSegmentsDeps & {
  backups: Pick<Backups, 'get'>;
  objectsOf: ObjectsOf;
  folders: Folders;
  now: () => Date;
};

/** What lies below a cluster's prefix and is neither of a backup in `ordered` nor a recorded segment. */
export async function unclaimedOf(
  deps: UnclaimedDeps,
  clusterId: string,
  site: SiteRef,
  ordered: ReadonlySet<string>,
): Promise<Unclaimed> {
  const objects = deps.objectsOf(site);
  const turn = Math.floor(deps.now().getTime() / 1000 / passSeconds);
  const shown = (key: string) => `s3://${site.bucket}/${key}`;
  const below = await firstForeign(deps.folders(site, clusterPrefix(clusterId)), () => true);
  const backups = below.includes('backups')
    ? await firstForeign(deps.folders(site, backupsPrefix(clusterId)), (id) => !ordered.has(id))
    : [];
  const judged = await limited(backups, 20, async (backupId): Promise<Unclaimed> => {
    const place = { clusterId, backupId };
    if (await objects.head(manifestKey(place))) return { manifests: [shown(manifestKey(place))], others: [] };
    // One that was ordered since the catalog was read is no stranger; its manifest would have come minutes later.
    if (await deps.backups.get(clusterId, backupId)) return { manifests: [], others: [] };
    return { manifests: [], others: [shown(backupPrefix(place))] };
  });
  const segments = below.includes('logs')
    ? await firstForeign(unclaimedSegments(deps, clusterId, site, turn), () => true)
    : [];
  return {
    manifests: judged.flatMap(({ manifests }) => manifests),
    others: [
      ...judged.flatMap(({ others }) => others),
      ...segments.map(shown),
      ...below
        .filter((name) => name !== 'backups' && name !== 'logs')
        .map((name) => shown(`${clusterPrefix(clusterId)}${name}`)),
    ],
  };
}

/** What lies in the buckets of all sites under names that no cluster bears. */
export async function reconcileForeignNames(
  deps: { clusters: Pick<Clusters, 'get'>; folders: Folders; sites: Sites; log: Log },
  clusters: readonly Pick<ClusterRecord, 'document'>[],
): Promise<{ names: string[]; failed: number }> {
  const known = new Set([...controlFolders, ...clusters.map(({ document }) => document.clusterId)]);
  const { done, failed } = await each(Object.values(deps.sites), 5, deps.log, async (site) => {
    const foreign = await firstForeign(deps.folders(site, ''), (name) => !known.has(name));
    const strangers = await limited(foreign, 20, async (name) =>
      (await deps.clusters.get(name)) ? [] : [`s3://${site.bucket}/${clusterPrefix(name)}`],
    );
    return strangers.flat();
  });
  const names = done.flat();
  if (names.length > 0)
    deps.log.error('names that no cluster bears', { count: names.length, first: names.slice(0, 20) });
  return { names, failed };
}
