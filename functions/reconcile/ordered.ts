import type { BackupRecord } from '../../contract/records/backup.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import { clusterLock, type Locks } from '../catalog/lock.ts';
import { type ExecutionStatus, type Executions, executionArnOf } from '../clients/executions.ts';
import type { Log } from '../log/log.ts';
import { nothing, pauseMinutes, type Tally } from './pace.ts';

type Ordered = NonNullable<ClusterRecord['ordered']>;

/** What is due for an order. `done`: a backup that began after it is there. `exhausted`: its attempts are used up. */
export type OrderDecision =
  | { outcome: 'leave' }
  | { outcome: 'start'; attempt: number }
  | { outcome: 'done' }
  | { outcome: 'exhausted' };

/** Name of the execution of an order's attempt: the same order starts the same execution, however often it is read. */
export const orderedName = (clusterId: string, at: string, attempt: number): string =>
  `${clusterId}-now-${at.replace(/\D/g, '')}-${attempt}`;

/** Whether a backup that counts began after the order: then somebody has followed it, whoever that was. */
export const servedBy = (
  ordered: Ordered,
  backups: readonly Pick<BackupRecord, 'startedAt' | 'committedAt'>[],
) => backups.some((backup) => backup.committedAt !== undefined && backup.startedAt > ordered.at);

/**
 * Decides on an order by the executions of its attempts, first to last. An order stays until a backup has followed it
 * or its attempts are used up, so that one which meets a locked cluster is not forgotten.
 */
export function decideOrder(
  ordered: Pick<Ordered, 'at'>,
  attempts: readonly ExecutionStatus[],
  policy: Pick<Policy, 'attempts' | 'schedule'>,
  now: Date,
): OrderDecision {
  const last = attempts.at(-1);
  if (last?.status === 'open') return { outcome: 'leave' };
  if (last?.status === 'succeeded') return { outcome: 'done' };
  const failed = attempts.filter((attempt) => attempt.status === 'failed').length;
  if (failed >= policy.attempts) return { outcome: 'exhausted' };
  const due = Date.parse(ordered.at) + failed * pauseMinutes(policy) * 60_000;
  return now.getTime() >= due ? { outcome: 'start', attempt: failed + 1 } : { outcome: 'leave' };
}

export type OrderedDeps = {
  clusters: Pick<Clusters, 'clearOrder'>;
  backups: Pick<Backups, 'list'>;
  locks: Pick<Locks, 'get'>;
  executions: Executions;
  backupMachineArn: string;
  now: () => Date;
  log: Log;
};

/** Status of the attempts up to the first that has not failed. */
async function attemptsOf(deps: OrderedDeps, clusterId: string, at: string, most: number) {
  const found: ExecutionStatus[] = [];
  for (let attempt = 1; attempt <= most; attempt++) {
    const arn = executionArnOf(deps.backupMachineArn, orderedName(clusterId, at, attempt));
    const status = await deps.executions.describe(arn);
    found.push(status);
    if (status.status !== 'failed') break;
  }
  return found;
}

/** Starts the backup that an order on the cluster's record asks for, and takes the order off once it has been followed. */
export async function reconcileOrdered(
  deps: OrderedDeps,
  { document: { clusterId }, ordered }: ClusterRecord,
  policy: Policy,
): Promise<Tally> {
  if (ordered === undefined) return nothing;
  const served = servedBy(ordered, await deps.backups.list(clusterId));
  // While the cluster is locked, by the order's own execution or another, there is nothing to start.
  if (!served && (await deps.locks.get(clusterLock(clusterId)))) return nothing;
  const decision: OrderDecision = served
    ? { outcome: 'done' }
    : decideOrder(
        ordered,
        await attemptsOf(deps, clusterId, ordered.at, policy.attempts),
        policy,
        deps.now(),
      );
  switch (decision.outcome) {
    case 'leave':
      return nothing;
    case 'done':
      await deps.clusters.clearOrder(clusterId, ordered.at);
      return nothing;
    case 'exhausted':
      await deps.clusters.clearOrder(clusterId, ordered.at);
      deps.log.error('an ordered backup failed for good', { clusterId, reason: ordered.reason });
      return { started: 0, exhausted: 1 };
    case 'start': {
      const name = orderedName(clusterId, ordered.at, decision.attempt);
      const { level } = ordered;
      // 500 characters is what the machine's input takes.
      const reason = ordered.reason.slice(0, 500);
      const input = { v: 1, clusterId, slot: null, attempt: 1, reason, level };
      const { outcome } = await deps.executions.start({ machineArn: deps.backupMachineArn, name, input });
      deps.log.info('started an ordered backup', { clusterId, name, outcome });
      return { started: outcome === 'started' ? 1 : 0, exhausted: 0 };
    }
  }
}
