import { z } from 'zod';
import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { ErrorName } from '../../contract/errors/names.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import { id, mintedId, slotId } from '../../contract/records/ids.ts';
import type { CheckOrder } from '../../contract/records/job.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import { clusterLock, type Locks } from '../catalog/lock.ts';
import type { Orders } from '../catalog/order.ts';
import type { Slots } from '../catalog/slot.ts';
import type { GetPolicy } from '../clients/policies.ts';
import { describeIssues, makeLambda, type Refused, refused } from '../log/lambda.ts';
import type { Mint } from './mint.ts';
import { forOlderRunners } from './older-runners.ts';

export const levelSchema = z.enum(['full', 'incremental']);

/** Input of the machine Backup. Without a `level` the policy decides. `adopt` names an ordered backup whose manifest was found after its execution had closed. */
export const backupInput = z.strictObject({
  v: z.literal(1),
  clusterId: id,
  slot: slotId.nullable().default(null),
  attempt: z.int().min(1).default(1),
  reason: z.string().max(500).default('by hand'),
  level: levelSchema.optional(),
  adopt: mintedId.optional(),
});
export type BackupInput = z.infer<typeof backupInput>;

/** A check takes seconds; it is over after this. */
export const checkDeadlineSeconds = 120;

/** One member to look at before the plan. */
export type MemberCheck = {
  memberId: string;
  hostId: string;
  jobId: string;
  order: CheckOrder;
  deadlineSeconds: number;
};

export type Admitted = {
  outcome: 'admitted';
  clusterId: string;
  slot: string | null;
  attempt: number;
  reason: string;
  level?: BackupInput['level'];
  policy: Policy;
  lock: string;
  checks: MemberCheck[];
};

export type Adopt = {
  outcome: 'adopt';
  clusterId: string;
  backupId: string;
  slot: string | null;
  attempt: number;
  lock: string;
  policy: Policy;
};

export type AdmitDeps = {
  clusters: Pick<Clusters, 'get'>;
  backups: Pick<Backups, 'get'>;
  orders: Pick<Orders, 'get'>;
  locks: Pick<Locks, 'take'>;
  slots: Pick<Slots, 'open' | 'fail'>;
  getPolicy: GetPolicy;
  mint: Pick<Mint, 'jobId'>;
  now: () => Date;
};

/** Why this cluster takes no new backup now, as name and cause; undefined when it does. */
export function refusalOf(cluster: ClusterRecord, now: Date): { name: ErrorName; cause: string } | undefined {
  const { clusterId, retired, paused } = cluster.document;
  if (cluster.state !== 'registered') {
    return {
      name: 'Cluster.NotRegistered',
      cause: `clusterId: ${clusterId} is in state ${cluster.state}; register it again and wait for its check`,
    };
  }
  if (retired) return { name: 'Cluster.Retired', cause: `clusterId: ${clusterId} is retired` };
  if (paused && Date.parse(paused.until) > now.getTime()) {
    return {
      name: 'Cluster.Paused',
      cause: `clusterId: ${clusterId} is paused until ${paused.until}: ${paused.reason}`,
    };
  }
  return undefined;
}

const busy = (clusterId: string, holder: string | null, since: string | null): Refused =>
  refused(
    'Cluster.Busy',
    holder === null
      ? `clusterId: the lock of ${clusterId} changed hands just now; start again`
      : `clusterId: ${clusterId} is locked by ${holder} since ${since}; wait until that execution ends`,
    holder === null ? undefined : { holder },
  );

/**
 * Validates the request and locks the cluster. Every refusal comes before or instead of the lock, so there is nothing to
 * release after one. The same execution asking again is admitted again, with fresh job ids.
 */
export function makeHandler(deps: AdmitDeps) {
  /** A scheduled attempt that is refused is closed, so that the next one can be opened while the window lasts. */
  async function closeAttempt(execution: string, input: BackupInput, error: ErrorRecord): Promise<void> {
    if (input.slot === null) return;
    if (!execution.endsWith(`:${input.clusterId}-${input.slot}-${input.attempt}`)) return;
    const at = deps.now().toISOString();
    await deps.slots.fail(
      input.clusterId,
      input.slot,
      input.attempt,
      { name: error.name, cause: error.cause },
      at,
    );
  }

  async function lock(execution: string, clusterId: string): Promise<Refused | { lock: string }> {
    const name = clusterLock(clusterId);
    const taken = await deps.locks.take(name, execution, deps.now().toISOString());
    return taken.outcome === 'held' ? { lock: name } : busy(clusterId, taken.holder, taken.since);
  }

  async function adopt(execution: string, clusterId: string, backupId: string): Promise<Adopt | Refused> {
    const backup = await deps.backups.get(clusterId, backupId);
    const ordered = backup && (await deps.orders.get(backup.jobId));
    if (backup === undefined || ordered?.order.kind !== 'backup') {
      return refused(
        'Backup.Unknown',
        `adopt: no backup ${backupId} of ${clusterId} was ordered; only ordered backups are adopted`,
      );
    }
    const held = await lock(execution, clusterId);
    if ('outcome' in held) return held;
    const { slot, attempt } = backup;
    return { outcome: 'adopt', clusterId, backupId, slot, attempt, ...held, policy: ordered.order.policy };
  }

  async function begin(execution: string, input: BackupInput): Promise<Admitted | Refused> {
    const { clusterId, slot, attempt, reason, level } = input;
    const cluster = await deps.clusters.get(clusterId);
    if (cluster === undefined) {
      return refused('Cluster.Unknown', `clusterId: ${clusterId} is not registered; register it first`);
    }
    const refusal = refusalOf(cluster, deps.now());
    if (refusal) return refused(refusal.name, refusal.cause);
    const policy = await deps.getPolicy(cluster.document.policy);
    if (policy === undefined) {
      return refused(
        'Policy.Unknown',
        `policy: ${cluster.document.policy}, named by cluster ${clusterId}, is not deployed`,
      );
    }
    if (slot !== null) {
      const { record } = await deps.slots.open(clusterId, slot, deps.now().toISOString());
      if (record.attempt !== attempt || record.state !== 'open') {
        return refused(
          'Input.Invalid',
          `attempt: attempt ${attempt} of slot ${slot} is not open; the slot stands at attempt ${record.attempt}, ${record.state}`,
        );
      }
    }
    const held = await lock(execution, clusterId);
    if ('outcome' in held) return held;
    const { engine, flavour, members } = cluster.document;
    const checks = members.map((member) => ({
      memberId: member.memberId,
      hostId: member.hostId,
      jobId: deps.mint.jobId(),
      order: { kind: 'check' as const, engine, flavour, member, policy: forOlderRunners(policy) },
      deadlineSeconds: checkDeadlineSeconds,
    }));
    const asked = level === undefined ? {} : { level };
    return { outcome: 'admitted', clusterId, slot, attempt, reason, ...asked, policy, ...held, checks };
  }

  return makeLambda<typeof event, Admitted | Adopt | Refused>({
    name: 'admit',
    event,
    onInvalid: 'refuse',
    handle: async ({ execution, input }) => {
      const read = backupInput.safeParse(input);
      if (!read.success) return refused('Input.Invalid', describeIssues(read.error, input));
      if (read.data.adopt !== undefined) return adopt(execution, read.data.clusterId, read.data.adopt);
      const answer = await begin(execution, read.data);
      if (answer.outcome === 'refused') await closeAttempt(execution, read.data, answer.error);
      return answer;
    },
  });
}

const event = z.object({ execution: z.string().min(1), input: z.unknown() });
