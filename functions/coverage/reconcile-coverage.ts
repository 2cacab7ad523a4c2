import { canonicalJson } from '../../contract/formats/codec.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Breaches, BreachKind, BreachRecord } from '../catalog/breach.ts';
import type { Coverages } from '../catalog/coverage.ts';
import { limited } from '../clients/limited.ts';
import type { GetPolicy } from '../clients/policies.ts';
import type { Publish } from '../clients/topic.ts';
import type { Log } from '../log/log.ts';
import { passSeconds } from '../reconcile/clusters-of-pass.ts';
import { each } from '../reconcile/each.ts';
import { type CoverageCounts, coverageCounts } from './counts.ts';
import { judge, type Plan, planAt, type Standing, untilLooked, watchedSince } from './judge.ts';
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

/** The plan of each cluster; every policy is read once. */
async function plansOf(
  deps: Pick<CoverageDeps, 'getPolicy'>,
  clusters: readonly ClusterRecord[],
  now: Date,
): Promise<(cluster: ClusterRecord) => Plan> {
  const names = [...new Set(clusters.map(({ document }) => document.policy))];
  const plans = await limited(names, 5, async (name) => planAt(name, await deps.getPolicy(name), now));
  const byName = new Map(plans.map((plan) => [plan.name, plan]));
  return ({ document: { policy } }) => byName.get(policy) ?? planAt(policy, undefined, now);
}

/** So many of them, in each pass the next ones. */
function inTurn<T>(items: readonly T[], atMost: number, now: Date): T[] {
  if (items.length <= atMost) return [...items];
  const pass = Math.floor(now.getTime() / 1000 / passSeconds);
  const from = (pass * atMost) % items.length;
  return [...items.slice(from), ...items.slice(0, from)].slice(0, atMost);
}

const byCluster = (breaches: readonly BreachRecord[]): ReadonlyMap<string, BreachRecord[]> =>
  Map.groupBy(breaches, ({ clusterId }) => clusterId);

/**
 * Judges every cluster of the fleet by what is known of its coverage, and looks anew at this pass's share and at those
 * whose breaches seem to begin or to end: only a look decides what is told. Answers the counts of the whole fleet.
 */
export async function reconcileCoverage(deps: CoverageDeps, pass: CoveragePass): Promise<CoverageAnswer> {
  const now = deps.now();
  const [planOf, records, known] = await Promise.all([
    plansOf(deps, pass.clusters, now),
    deps.coverages.list(),
    deps.breaches.list(),
  ]);
  const coverages = new Map(records.map((record) => [record.clusterId, record]));
  const breaches = byCluster(known);
  const notedOf = (clusterId: string) => breaches.get(clusterId) ?? [];
  const openOf = (clusterId: string): ReadonlySet<BreachKind> =>
    new Set(notedOf(clusterId).flatMap(({ kind, state }) => (state === 'clearing' ? [] : [kind])));
  const standingOf = (cluster: ClusterRecord): Standing | undefined => {
    const { clusterId } = cluster.document;
    const coverage = coverages.get(clusterId);
    if (coverage === undefined) return undefined;
    const plan = planOf(cluster);
    const since = watchedSince(cluster, coverage, plan, now);
    return judge(cluster, { ...coverage, watchedSince: since }, plan, openOf(clusterId), now);
  };
  const changes = (cluster: ClusterRecord): boolean => {
    const standing = standingOf(cluster);
    return (
      standing === undefined || standing.holds.length > 0 || notedOf(cluster.document.clusterId).length > 0
    );
  };

  const found = unclaimedOf(pass);
  const shared = new Set(pass.share.map(({ document }) => document.clusterId));
  const nominated = pass.clusters.filter((c) => !shared.has(c.document.clusterId) && changes(c));
  const looks = inTurn(nominated, nominatedAtMost, now);
  const looked = await each([...pass.share, ...looks], 20, deps.log, async (cluster) => {
    const { clusterId } = cluster.document;
    const before = coverages.get(clusterId);
    const after = await lookAt(deps, cluster, planOf(cluster), before, found(clusterId, before));
    if (before === undefined || canonicalJson(before) !== canonicalJson(after))
      await deps.coverages.put(after);
    coverages.set(clusterId, after);
    return cluster;
  });

  const tell = makeTeller(deps, now);
  const subjects: Subject[] = looked.done.flatMap((cluster) => {
    const { clusterId } = cluster.document;
    const standing = standingOf(cluster);
    const coverage = coverages.get(clusterId);
    if (!standing || !coverage) return [];
    return [{ standing, coverage, plan: planOf(cluster), known: notedOf(clusterId) }];
  });
  const registered = new Set(pass.clusters.map(({ document }) => document.clusterId));
  const gone = known.filter(({ clusterId }) => !registered.has(clusterId));
  const told = await tell(subjects, known, gone);

  const seen = new Set(looked.done);
  const standings = pass.clusters.flatMap((cluster) => {
    const standing = standingOf(cluster);
    if (standing === undefined) return [];
    return [seen.has(cluster) ? standing : untilLooked(standing, openOf(standing.clusterId))];
  });
  const whole = standings.length === pass.clusters.length;
  if (!whole) deps.log.info('not every cluster has been looked at yet', { known: standings.length });
  const fleet = [...coverages.values()].filter(({ clusterId }) => registered.has(clusterId));
  return {
    counts: whole ? coverageCounts(pass.clusters, standings, fleet) : undefined,
    began: told.began,
    cleared: told.cleared,
    failed: looked.failed + told.failed,
  };
}
