import type { MetricCounts } from '../env/metric-names.ts';

/** What the duties of one pass found; undefined where a duty failed as a whole. */
export type Findings = {
  clusters: number | undefined;
  lostJobs: { live: number; lost: number; failed: number } | undefined;
  closedExecutions: { held: number; freed: number; failed: number } | undefined;
  unrecorded:
    | { adopted: number; unclaimed: readonly string[]; others: readonly string[]; failed: number }
    | undefined;
  retries: { started: number; exhausted: number; failed: number } | undefined;
  strays: { tombstoned: number; failed: number } | undefined;
  foreign: { names: readonly string[]; failed: number } | undefined;
};

/** The counts of a pass. A duty that failed, or an item of it, shows as `DutiesFailed`, never as a quiet zero. */
export function countsOf(found: Findings): MetricCounts {
  const { clusters, lostJobs, closedExecutions, unrecorded, retries, strays, foreign } = found;
  const duties = [lostJobs, closedExecutions, unrecorded, retries, strays, foreign];
  const whole = duties.filter((d) => d === undefined).length + (clusters === undefined ? 1 : 0);
  const parts = duties.reduce((n, d) => n + (d?.failed ?? 0), 0);
  return {
    clusters: clusters ?? 0,
    liveJobs: lostJobs?.live ?? 0,
    heldLocks: closedExecutions?.held ?? 0,
    jobsLost: lostJobs?.lost ?? 0,
    holdersFreed: closedExecutions?.freed ?? 0,
    backupsAdopted: unrecorded?.adopted ?? 0,
    manifestsUnclaimed: unrecorded?.unclaimed.length ?? 0,
    unclaimed:
      (unrecorded?.unclaimed.length ?? 0) + (unrecorded?.others.length ?? 0) + (foreign?.names.length ?? 0),
    attemptsStarted: retries?.started ?? 0,
    slotsExhausted: retries?.exhausted ?? 0,
    dutiesFailed: whole + parts,
  };
}
