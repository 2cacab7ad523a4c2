import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { BreachKind } from '../catalog/breach.ts';
import type { CoverageRecord } from '../catalog/coverage.ts';
import type { Standing } from './judge.ts';

/** Counts over the whole fleet; of the watched clusters each is covered, overdue or waiting. */
export type CoverageCounts = {
  clustersWatched: number;
  clustersCovered: number;
  clustersWaiting: number;
  clustersOverdue: number;
  clustersFailed: number;
  clustersSuspect: number;
  clustersLost: number;
  clustersPaused: number;
  objectsUnclaimed: number;
  /** Of the watched cluster whose newest backup that counts is the oldest. */
  oldestBackupHours: number;
};

/** Adds up the standing of every cluster. */
export function coverageCounts(
  clusters: readonly ClusterRecord[],
  standings: readonly Standing[],
  coverages: Iterable<CoverageRecord>,
): CoverageCounts {
  const inState = (state: Standing['state']) => standings.filter((s) => s.state === state).length;
  const holding = (kind: BreachKind) => standings.filter((s) => s.holds.includes(kind)).length;
  let objectsUnclaimed = 0;
  for (const { unclaimed } of coverages) objectsUnclaimed += unclaimed.count;
  const paused = new Set(
    clusters
      .filter(({ state, document }) => state === 'registered' && !document.retired && document.paused)
      .map(({ document }) => document.clusterId),
  );
  return {
    clustersWatched: standings.length - inState('unwatched'),
    clustersCovered: inState('covered'),
    clustersWaiting: inState('waiting'),
    clustersOverdue: inState('overdue'),
    clustersFailed: holding('failed'),
    clustersSuspect: holding('suspect'),
    clustersLost: holding('lost'),
    clustersPaused: standings.filter((s) => s.state === 'unwatched' && paused.has(s.clusterId)).length,
    objectsUnclaimed,
    oldestBackupHours: standings.reduce((most, { ageHours }) => Math.max(most, ageHours ?? 0), 0),
  };
}
