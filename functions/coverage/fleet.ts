import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Breaches, BreachKind, BreachRecord } from '../catalog/breach.ts';
import type { CoverageRecord, Coverages } from '../catalog/coverage.ts';
import { limited } from '../clients/limited.ts';
import type { GetPolicy } from '../clients/policies.ts';
import { judge, type Plan, planAt, type Standing, untilLooked, watchedSince } from './judge.ts';

export type FleetDeps = {
  coverages: Pick<Coverages, 'list'>;
  breaches: Pick<Breaches, 'list'>;
  getPolicy: GetPolicy;
};

/** What is known of every cluster as of now; a look brings it up to date. */
export type Fleet = {
  planOf(cluster: ClusterRecord): Plan;
  coverageOf(cluster: ClusterRecord): CoverageRecord | undefined;
  notedOf(cluster: ClusterRecord): readonly BreachRecord[];
  /** Undefined where nobody has ever looked at it. */
  standingOf(cluster: ClusterRecord): Standing | undefined;
  /** The same for one that was not looked at in this pass. */
  standingUntilLooked(cluster: ClusterRecord): Standing | undefined;
  /** Every breach that is noted, of clusters that are registered no more too. */
  noted: readonly BreachRecord[];
  seen(coverage: CoverageRecord): void;
};

/** Every policy is read once. */
async function plansOf(
  { getPolicy }: Pick<FleetDeps, 'getPolicy'>,
  clusters: readonly ClusterRecord[],
  now: Date,
): Promise<Fleet['planOf']> {
  const names = [...new Set(clusters.map(({ document }) => document.policy))];
  const plans = await limited(names, 5, async (name) => planAt(name, await getPolicy(name), now));
  const byName = new Map(plans.map((plan) => [plan.name, plan]));
  return ({ document: { policy } }) => byName.get(policy) ?? planAt(policy, undefined, now);
}

/** Reads what is known of the fleet: two queries and a policy each, however many clusters there are. */
export async function readFleet(
  deps: FleetDeps,
  clusters: readonly ClusterRecord[],
  now: Date,
): Promise<Fleet> {
  const [planOf, records, noted] = await Promise.all([
    plansOf(deps, clusters, now),
    deps.coverages.list(),
    deps.breaches.list(),
  ]);
  const coverages = new Map(records.map((record) => [record.clusterId, record]));
  const breaches = Map.groupBy(noted, ({ clusterId }) => clusterId);
  const coverageOf: Fleet['coverageOf'] = ({ document }) => coverages.get(document.clusterId);
  const notedOf: Fleet['notedOf'] = ({ document }) => breaches.get(document.clusterId) ?? [];
  const openOf = (cluster: ClusterRecord): ReadonlySet<BreachKind> =>
    new Set(notedOf(cluster).flatMap(({ kind, state }) => (state === 'clearing' ? [] : [kind])));
  const standingOf: Fleet['standingOf'] = (cluster) => {
    const coverage = coverageOf(cluster);
    if (coverage === undefined) return undefined;
    const plan = planOf(cluster);
    const since = watchedSince(cluster, coverage, plan, now);
    return judge(cluster, { ...coverage, watchedSince: since }, plan, openOf(cluster), now);
  };
  return {
    planOf,
    coverageOf,
    notedOf,
    standingOf,
    standingUntilLooked(cluster) {
      const standing = standingOf(cluster);
      return standing && untilLooked(standing, openOf(cluster));
    },
    noted,
    seen: (coverage) => void coverages.set(coverage.clusterId, coverage),
  };
}
