import type { CoverageRecord } from '../catalog/coverage.ts';

type Unclaimed = CoverageRecord['unclaimed'];

const none: Unclaimed = { count: 0, first: [] };
/** A host chooses such names: of a long one the beginning is enough, and half a character none at all. */
const short = (address: string) => address.slice(0, 200).toWellFormed();
/** `s3://<bucket>/<clusterId>/…`: every object of a cluster lies below its id. */
const clusterOf = (address: string) => /^s3:\/\/[^/]+\/([^/]+)\//.exec(address)?.[1];

/**
 * What is unclaimed of each cluster: for those of this pass's share what was found now, for the others what was found
 * last. Where the look failed for any of them, finding nothing proves nothing.
 */
export function unclaimedOf(pass: {
  share: readonly { document: { clusterId: string } }[];
  unclaimed: { unclaimed: readonly string[]; failed: number } | undefined;
}): (clusterId: string, before: Pick<CoverageRecord, 'unclaimed'> | undefined) => Unclaimed {
  const found = Map.groupBy(pass.unclaimed?.unclaimed ?? [], (address) => clusterOf(address) ?? '');
  const lookedAt = new Set(
    pass.unclaimed?.failed === 0 ? pass.share.map(({ document }) => document.clusterId) : [],
  );
  return (clusterId, before) => {
    const now = found.get(clusterId);
    if (now) return { count: now.length, first: now.toSorted().slice(0, 3).map(short) };
    return lookedAt.has(clusterId) ? none : (before?.unclaimed ?? none);
  };
}
