import { manifestKey } from '../../contract/layout.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Jobs } from '../catalog/job.ts';
import { clusterLock, type Locks } from '../catalog/lock.ts';
import type { Executions } from '../clients/executions.ts';
import type { Sites } from '../env/variables.ts';
import type { Log } from '../log/log.ts';
import { each } from './each.ts';
import { type UnclaimedDeps, unclaimedOf } from './unclaimed.ts';

/** Days in which a manifest of a backup that ended may still appear: longer than any job's deadline and its adoption. */
const lateDays = 7;

/** Whether the catalog does not yet say what became of this backup's manifest. */
export function isUnrecorded(
  backup: Pick<BackupRecord, 'state' | 'startedAt' | 'error'>,
  now: Date,
): boolean {
  if (backup.state === 'running' || backup.state === 'committed') return true;
  if (backup.state !== 'failed' && backup.state !== 'lost') return false;
  // Its manifest has been looked at and is another job's, does not build on its parent, or what it names is missing or
  // different: keys are write-once, so that does not get better.
  if (/^(Verify\.|Backup\.(Unknown|ChainBroken)$)/.test(backup.error?.name ?? '')) return false;
  return now.getTime() - Date.parse(backup.startedAt) < lateDays * 86_400_000;
}

/** What to do about an ordered backup whose manifest is not recorded. */
export function decideUnrecorded(facts: {
  state: BackupRecord['state'];
  /** Whether the execution that ordered it has closed, and none of its jobs lives. */
  over: boolean;
  /** Whether the cluster's lock is held: by this backup's own execution, or by another's. */
  locked: boolean;
  manifest: boolean;
}): 'leave' | 'adopt' | 'end' {
  if (!facts.over) return 'leave';
  if (!facts.manifest) return facts.state === 'running' ? 'end' : 'leave';
  // Adopting takes the cluster's lock; while it is held, the next pass looks again.
  return facts.locked ? 'leave' : 'adopt';
}

/**
 * Name of an execution that adopts a backup. A name is taken for 90 days and a try may fail, so the number of the
 * try is in it: tries are due about 0, 1, 3, 7, 15, … hours after the backup's start, eight in a week. At most the
 * 80 characters of an execution's name; what is cut is the beginning of a long cluster's name.
 */
export function adoptName(
  { clusterId, backupId, startedAt }: Pick<BackupRecord, 'clusterId' | 'backupId' | 'startedAt'>,
  now: Date,
): string {
  const hours = Math.max(0, (now.getTime() - Date.parse(startedAt)) / 3_600_000);
  return `${clusterId}-adopt-${backupId}-${Math.floor(Math.log2(1 + hours))}`.slice(-80);
}

export type UnrecordedDeps = UnclaimedDeps & {
  backups: Pick<Backups, 'get' | 'list' | 'end'>;
  jobs: Pick<Jobs, 'ofExecution'>;
  locks: Pick<Locks, 'get'>;
  executions: Executions;
  sites: Sites;
  backupMachineArn: string;
  now: () => Date;
  log: Log;
};

/** Adopts or ends one backup; answers whether an adoption was started. */
async function reconcileBackup(deps: UnrecordedDeps, backup: BackupRecord): Promise<boolean> {
  const { clusterId, backupId, state } = backup;
  const now = deps.now();
  const { status } = await deps.executions.describe(backup.execution);
  const jobs = status === 'open' ? [] : await deps.jobs.ofExecution(backup.execution, now.toISOString());
  const over = status !== 'open' && jobs.every((job) => !job.live);
  if (!over) return false;
  const manifest = (await deps.objectsOf(backup.site).head(manifestKey(backup))) !== undefined;
  const locked = (await deps.locks.get(clusterLock(clusterId))) !== undefined;
  const decision = decideUnrecorded({ state, over, locked, manifest });
  if (decision === 'end') {
    const cause = `execution ${backup.execution} is over and left no manifest`;
    await deps.backups.end(clusterId, backupId, 'lost', { name: 'Job.Lost', cause });
  }
  if (decision !== 'adopt') return false;
  const { slot, attempt } = backup;
  const name = adoptName(backup, now);
  const input = { v: 1, clusterId, slot, attempt, reason: 'adopt', adopt: backupId };
  const started = await deps.executions.start({ machineArn: deps.backupMachineArn, name, input });
  deps.log.info('adopting a manifest that was not recorded', { clusterId, backupId, name, ...started });
  return started.outcome === 'started';
}

/** Looks for manifests that the catalog does not know: of ordered backups they are adopted, others are reported. */
export async function reconcileUnrecordedManifests(
  deps: UnrecordedDeps,
  clusters: readonly Pick<ClusterRecord, 'document'>[],
): Promise<{ adopted: number; unclaimed: string[]; others: string[]; failed: number }> {
  const { done, failed } = await each(
    clusters,
    10,
    deps.log,
    async ({ document: { clusterId, homeSite } }) => {
      const backups = await deps.backups.list(clusterId);
      let adopted = 0;
      for (const backup of backups.filter((b) => isUnrecorded(b, deps.now()))) {
        if (await reconcileBackup(deps, backup)) adopted++;
        // The first adoption takes the lock: the others follow in later passes.
        if (adopted > 0) break;
      }
      const site = deps.sites[homeSite];
      const ordered = new Set(backups.map((b) => b.backupId));
      const unclaimed = site && (await unclaimedOf(deps, clusterId, { site: homeSite, ...site }, ordered));
      return { adopted, ...(unclaimed ?? { manifests: [], others: [] }) };
    },
  );
  const unclaimed = done.flatMap((of) => of.manifests);
  const others = done.flatMap((of) => of.others);
  if (unclaimed.length + others.length > 0) {
    deps.log.error('stored, and nobody ordered it', {
      manifests: unclaimed.length,
      others: others.length,
      first: [...unclaimed, ...others].slice(0, 20),
    });
  }
  return { adopted: done.reduce((n, of) => n + of.adopted, 0), unclaimed, others, failed };
}
