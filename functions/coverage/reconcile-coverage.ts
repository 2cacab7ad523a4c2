import { canonicalJson } from '../../contract/formats/codec.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Breaches } from '../catalog/breach.ts';
import type { Coverages } from '../catalog/coverage.ts';
import type { GetPolicy } from '../clients/policies.ts';
import type { Publish } from '../clients/topic.ts';
import type { Log } from '../log/log.ts';
import { passSeconds } from '../reconcile/clusters-of-pass.ts';
import { each } from '../reconcile/each.ts';
import { type CoverageCounts, coverageCounts } from './counts.ts';
import { type Fleet, readFleet } from './fleet.ts';
import { type LookDeps, lookAt } from './look.ts';
import { makeTeller, type Subject } from './tell.ts';
import { unclaimedOf } from './unclaimed.ts';

/**
 * Clusters that are looked at beyond the pass's own share, since what is known of them says that a breach begins or
 * ends: two queries each, 20 at once. The others of a larger number follow in the next passes.
 */
const nominatedAtMost = 1_000;

export type CoverageDeps = LookDeps & {
  coverages: Coverages;
  breaches: Breaches;
  getPolicy: GetPolicy;
  publish: Publish;
  backupMachineArn: string;
  installation: string;
  log: Log;
};

export type CoveragePass = {
  clusters: readonly ClusterRecord[];
  /** The clusters whose objects and backups this pass looks at anyway. */
  share: readonly ClusterRecord[];
  /** What the look at the share's objects found; undefined where it failed. */
  unclaimed: { unclaimed: readonly string[]; failed: number } | undefined;
};

export type CoverageAnswer = {
  /** Undefined until every cluster has been looked at once. */
  counts: CoverageCounts | undefined;
  began: number;
  cleared: number;
  failed: number;
};

/** So many of them, in each pass the next ones. */
function inTurn<T>(items: readonly T[], atMost: number, now: Date): T[] {
  if (items.length <= atMost) return [...items];
  const pass = Math.floor(now.getTime() / 1000 / passSeconds);
  const from = (pass * atMost) % items.length;
  return [...items.slice(from), ...items.slice(0, from)].slice(0, atMost);
}

/** Beyond the share: those of whom nothing is known, of whom something is noted, or would have to be. */
function nominees({ clusters, share }: CoveragePass, fleet: Fleet, now: Date): ClusterRecord[] {
  const shared = new Set(share.map(({ document }) => document.clusterId));
  const nominated = clusters.filter((cluster) => {
    if (shared.has(cluster.document.clusterId)) return false;
    const standing = fleet.standingOf(cluster);
    return standing === undefined || standing.holds.length > 0 || fleet.notedOf(cluster).length > 0;
  });
  return inTurn(nominated, nominatedAtMost, now);
}

/** What a look says of a cluster, for the teller. */
function subjectOf(fleet: Fleet, cluster: ClusterRecord): Subject[] {
  const [standing, coverage] = [fleet.standingOf(cluster), fleet.coverageOf(cluster)];
  if (!standing || !coverage) return [];
  return [{ standing, coverage, plan: fleet.planOf(cluster), known: fleet.notedOf(cluster) }];
}

/**
 * Judges every cluster of the fleet by what is known of its coverage, and looks anew at this pass's share and at those
 * whose breaches seem to begin or to end: only a look decides what is told. Answers the counts of the whole fleet.
 */
export async function reconcileCoverage(deps: CoverageDeps, pass: CoveragePass): Promise<CoverageAnswer> {
  const now = deps.now();
  const { clusters, share } = pass;
  const fleet = await readFleet(deps, clusters, now);
  const unclaimed = unclaimedOf(pass);

  const looked = await each([...share, ...nominees(pass, fleet, now)], 20, deps.log, async (cluster) => {
    const before = fleet.coverageOf(cluster);
    const found = unclaimed(cluster.document.clusterId, before);
    const after = await lookAt(deps, cluster, fleet.planOf(cluster), before, found);
    if (before === undefined || canonicalJson(before) !== canonicalJson(after))
      await deps.coverages.put(after);
    fleet.seen(after);
    return cluster;
  });

  const registered = new Set(clusters.map(({ document }) => document.clusterId));
  const told = await makeTeller(deps, now)(
    looked.done.flatMap((cluster) => subjectOf(fleet, cluster)),
    fleet.noted,
    fleet.noted.filter(({ clusterId }) => !registered.has(clusterId)),
  );

  const seen = new Set(looked.done);
  const standings = clusters
    .map((cluster) => (seen.has(cluster) ? fleet.standingOf(cluster) : fleet.standingUntilLooked(cluster)))
    .filter((standing) => standing !== undefined);
  const whole = standings.length === clusters.length;
  if (!whole) deps.log.info('not every cluster has been looked at yet', { known: standings.length });
  const coverages = clusters.map(fleet.coverageOf).filter((coverage) => coverage !== undefined);
  return {
    counts: whole ? coverageCounts(clusters, standings, coverages) : undefined,
    began: told.began,
    cleared: told.cleared,
    failed: looked.failed + told.failed,
  };
}
