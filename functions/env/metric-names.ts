/**
 * Fleet-wide counts that Reconcile puts into the installation's namespace at each pass, without dimensions, so that
 * one alarm each covers the fleet. No data is a sign of its own: Reconcile itself has stopped.
 */
export const metricNames = {
  clusters: 'Clusters',
  liveJobs: 'LiveJobs',
  heldLocks: 'HeldLocks',
  jobsLost: 'JobsLost',
  holdersFreed: 'HoldersFreed',
  backupsAdopted: 'BackupsAdopted',
  manifestsUnclaimed: 'ManifestsUnclaimed',
  /** Everything that is stored and nobody ordered: manifests, folders without one, segments, foreign names. */
  unclaimed: 'Unclaimed',
  attemptsStarted: 'AttemptsStarted',
  slotsExhausted: 'SlotsExhausted',
  dutiesFailed: 'DutiesFailed',
} as const;

export type MetricCounts = Readonly<Record<keyof typeof metricNames, number>>;
