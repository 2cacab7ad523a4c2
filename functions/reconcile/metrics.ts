import type { CoverageCounts } from '../coverage/counts.ts';
import type { MetricCounts } from '../env/metric-names.ts';

/** What the duties of one pass found; undefined where a duty failed as a whole. */
export type Findings = {
  clusters: number | undefined;
  lostJobs: { live: number; lost: number; failed: number } | undefined;
  closedExecutions: { held: number; freed: number; failed: number } | undefined;
  unrecorded: { adopted: number; failed: number } | undefined;
  retries: { started: number; failed: number } | undefined;
  strays: { tombstoned: number; failed: number } | undefined;
  /** Names in the buckets that no cluster bears. */
  foreign: { names: readonly string[]; failed: number } | undefined;
  /** `counts`: undefined until every cluster has been looked at once. */
  coverage: { counts: CoverageCounts | undefined; failed: number } | undefined;
  logs: { sets: number; lagging: number; broken: number; failed: number } | undefined;
};

/**
 * The counts of a pass. What a failed duty would have counted is left out, which its alarm takes for trouble, and the
 * failure, of a duty or of an item of it, shows as `DutiesFailed`: never as a quiet zero.
 */
export function countsOf(found: Findings): MetricCounts {
  const { clusters, lostJobs, closedExecutions, unrecorded, retries, strays, foreign, coverage, logs } =
    found;
  const duties = [lostJobs, closedExecutions, unrecorded, retries, strays, foreign, coverage, logs];
  const whole = duties.filter((d) => d === undefined).length + (clusters === undefined ? 1 : 0);
  const parts = duties.reduce((n, d) => n + (d?.failed ?? 0), 0);
  const of = coverage?.counts;
  return {
    passes: 1,
    clusters,
    clustersWatched: of?.clustersWatched,
    clustersCovered: of?.clustersCovered,
    clustersWaiting: of?.clustersWaiting,
    clustersOverdue: of?.clustersOverdue,
    clustersFailed: of?.clustersFailed,
    clustersSuspect: of?.clustersSuspect,
    clustersLost: of?.clustersLost,
    clustersPaused: of?.clustersPaused,
    oldestBackupHours: of?.oldestBackupHours,
    objectsUnclaimed: of && foreign && of.objectsUnclaimed + foreign.names.length,
    liveJobs: lostJobs?.live,
    heldLocks: closedExecutions?.held,
    jobsLost: lostJobs?.lost,
    holdersFreed: closedExecutions?.freed,
    backupsAdopted: unrecorded?.adopted,
    attemptsStarted: retries?.started,
    straysTombstoned: strays?.tombstoned,
    archives: logs?.sets,
    archivesLagging: logs?.lagging,
    archivesBroken: logs?.broken,
    dutiesFailed: whole + parts,
  };
}
