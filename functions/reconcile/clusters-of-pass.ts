import type { ClusterRecord } from '../../contract/records/cluster.ts';

/** Every cluster is looked at within 14 minutes: a manifest without a record is found in under 15 (F48). */
export const passes = 7;
/** Up to so many clusters are looked at in every pass: two reads and a list each, some seconds in all. */
const atOnce = 100;
/** Seconds from one pass of Reconcile to the next. */
export const passSeconds = 120;

/** The clusters whose slots and backups this pass looks at: all of a small fleet, a rotating share of a large one. */
export function clustersOfPass<C extends Pick<ClusterRecord, 'document'>>(all: readonly C[], now: Date): C[] {
  const shares = Math.min(passes, Math.ceil(all.length / atOnce));
  if (shares <= 1) return [...all];
  const turn = Math.floor(now.getTime() / 1000 / passSeconds) % shares;
  const sorted = all.toSorted((a, b) => (a.document.clusterId < b.document.clusterId ? -1 : 1));
  return sorted.filter((_, place) => place % shares === turn);
}
