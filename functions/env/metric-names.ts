/**
 * Fleet-wide counts that Reconcile puts into the installation's namespace at each pass, without dimensions, so that
 * one alarm each covers the fleet. No data is a sign of its own: the count could not be taken, or Reconcile has stopped.
 */
export const metricNames = {
  /** 1 with each pass: that there is none says that Reconcile is silent. */
  passes: 'Passes',
  clusters: 'Clusters',
  /** To be backed up: registered and neither paused nor retired. Covered, waiting and overdue are their parts. */
  clustersWatched: 'ClustersWatched',
  /** With a backup that counts for the newest slot that should be done, or a later one. */
  clustersCovered: 'ClustersCovered',
  /** For their first slot, or for a backup that runs. */
  clustersWaiting: 'ClustersWaiting',
  clustersOverdue: 'ClustersOverdue',
  /** The attempts or the window of a slot were used up, and no backup has followed. */
  clustersFailed: 'ClustersFailed',
  clustersSuspect: 'ClustersSuspect',
  /** A backup was lost, and none that counts has followed. */
  clustersLost: 'ClustersLost',
  clustersPaused: 'ClustersPaused',
  oldestBackupHours: 'OldestBackupHours',
  objectsUnclaimed: 'ObjectsUnclaimed',
  liveJobs: 'LiveJobs',
  heldLocks: 'HeldLocks',
  jobsLost: 'JobsLost',
  holdersFreed: 'HoldersFreed',
  backupsAdopted: 'BackupsAdopted',
  attemptsStarted: 'AttemptsStarted',
  /** What attempts without a manifest have stored, marked to be deleted. */
  straysTombstoned: 'StraysTombstoned',
  /** Sets whose log is to be archived. */
  archives: 'Archives',
  /** What is in the log does not become durable, or nobody archives it. */
  archivesLagging: 'ArchivesLagging',
  /** After a gap or a dead branch, until a backup is joined to the new timeline. */
  archivesBroken: 'ArchivesBroken',
  dutiesFailed: 'DutiesFailed',
} as const;

/** Undefined: it could not be taken in this pass. */
export type MetricCounts = Readonly<Record<keyof typeof metricNames, number | undefined>>;
