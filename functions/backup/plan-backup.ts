import type { BackupPlan, BackupRecord, SiteRef } from '../../contract/records/backup.ts';
import type { ClusterDocument } from '../../contract/records/cluster.ts';
import type { BackupOrder } from '../../contract/records/job.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { Lease } from '../catalog/lease.ts';
import { insideWindow, slotInstant } from '../fleet/slot.ts';
import { type Refused, refused } from '../log/lambda.ts';
import { pauseMinutes } from '../reconcile/pace.ts';
import { type Asked, chooseLevel, type LevelChoice } from './choose-level.ts';
import { chooseMethod, type MethodChoice } from './choose-method.ts';
import { type Candidate, type Inspection, inOrderOfPreference, judgeMember } from './member.ts';
import { forOlderRunners, withoutPlanned } from './older-runners.ts';
import { frameBytes, sizesFor } from './size.ts';

export type PlanInput = {
  cluster: ClusterDocument;
  policy: Policy;
  /** Undefined when the settings have no site of the cluster's home. */
  site: SiteRef | undefined;
  inspections: readonly Inspection[];
  /** Every backup of the cluster that was ordered, latest first. */
  history: readonly BackupRecord[];
  /** A level that was named; without one the policy decides. */
  asked?: Asked | undefined;
  /** Number of the slot's attempt. */
  attempt?: number | undefined;
  slot: string | null;
  now: Date;
  /** Of the set's archive, where its log is archived. */
  timeline?: string | undefined;
  ids: { backupId: string; jobId: string };
  /** The machine under a host, where several share one. */
  physicalHostOf: (hostId: string) => string;
};

export type Planned = {
  outcome: 'planned';
  backupId: string;
  jobId: string;
  hostId: string;
  order: BackupOrder;
  leases: Lease[];
  /** Until then a full cap is waited for. */
  waitUntil: string;
  deadlineSeconds: number;
  reasons: string[];
};

const GB = (bytes: number) =>
  bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;

/**
 * Bytes of a stream, as the plan and the operator expect them: data and undo files, and without a checkpoint first the
 * redo since the last one. What is written meanwhile comes besides.
 */
const expectedBytesOf = ({ seen }: Candidate, checkpointFirst: boolean) =>
  seen.dataBytes + (seen.undoBytes ?? 0) + (checkpointFirst ? 0 : (seen.redoToCopyBytes ?? seen.redoBytes));

/** When waiting for a lease ends: with the slot's window, or as long from now for a backup by hand. */
function windowEnd(slot: string | null, { schedule }: Policy, now: Date): string {
  const from = slot === null ? now : slotInstant(slot);
  const open = slot === null || insideWindow(schedule, { slot, at: from }, now);
  return new Date(open ? from.getTime() + schedule.windowMinutes * 60_000 : now.getTime()).toISOString();
}

/** Minutes of Reconcile's passes and of an attempt's checks, until the next attempt has looked. */
const nextLookMinutes = 10;

/**
 * Whether the policy still waits for the member of a chain: only where one more attempt is left and has time to begin
 * within the slot's window, so that nobody is left without a backup for it.
 */
function mayWait({ slot, policy, now, attempt = 1 }: PlanInput): boolean {
  if (slot === null || attempt >= policy.attempts) return false;
  const minutes = (now.getTime() - slotInstant(slot).getTime()) / 60_000;
  const next = minutes + pauseMinutes(policy) + nextLookMinutes;
  return minutes < (policy.incrementals?.waitMinutes ?? 0) && next < policy.schedule.windowMinutes;
}

/** The log history that is archived now, else the one that the last committed backup lies on. */
const timelineOf = ({ timeline: archived, history, cluster }: PlanInput): string =>
  archived ??
  history.find(({ committedAt, timeline }) => committedAt !== undefined && timeline !== undefined)
    ?.timeline ??
  `${cluster.clusterId}-1`;

const calledAs = 'the tool is called as: ';

/** What a plan decided and why, for the catalog; the whole command line stays in the manifest. */
export const whyOf = ({ reasons }: Pick<BackupPlan, 'reasons'>): string[] =>
  reasons.filter((reason) => !reason.startsWith(calledAs));

/** The call of the tool as the host told it, with what this plan decides behind it. */
function commandSentence(
  { seen }: Candidate,
  method: 'physical' | 'logical',
  { checkpointFirst, streams }: { checkpointFirst: boolean; streams: number },
  level: Extract<LevelChoice, { level: 'full' | 'incremental' }>,
): string[] {
  if (method === 'logical') {
    const called = seen.logical?.toolCommand;
    return called === undefined ? [] : [`${calledAs}${called.join(' ')}`];
  }
  if (seen.toolCommand === undefined) return [];
  const command = [
    ...seen.toolCommand,
    ...(checkpointFirst ? ['--innodb-log-checkpoint-now'] : []),
    ...(level.level === 'incremental' ? [`--incremental-lsn=${level.increment.fromLsn}`] : []),
    ...(streams > 1 ? [`--fifo-streams=${streams}`, '--fifo-dir=<private>/fifo', '--fifo-timeout=60'] : []),
  ];
  return [`${calledAs}${command.join(' ')}`];
}

function planOf(
  chosen: Candidate,
  others: number,
  method: Exclude<MethodChoice, { method: 'none' }>,
  level: Extract<LevelChoice, { level: 'full' | 'incremental' }>,
  input: PlanInput,
): BackupPlan {
  const { policy, ids, cluster } = input;
  const { role, lagSeconds } = chosen.seen;
  // XtraBackup has no word for it.
  const checkpointFirst =
    cluster.flavour === 'mariadb' &&
    method.method === 'physical' &&
    (policy.checkpointFirst === 'always' || (policy.checkpointFirst === 'auto' && role === 'replica'));
  const physicalBytes =
    level.level === 'incremental' ? level.expectedBytes : expectedBytesOf(chosen, checkpointFirst);
  const expectedBytes = method.method === 'logical' ? method.expectedBytes : physicalBytes;
  const pipes = cluster.flavour !== 'mariadb' && method.method === 'physical';
  const wanted = (pipes ? policy.xtrabackup?.fifoStreams : undefined) ?? 1;
  const sizes = sizesFor(expectedBytes, policy, wanted);
  const { streams } = sizes;
  const behind = role === 'replica' ? ` ${lagSeconds ?? 0} s behind` : '';
  const outside = chosen.seen.outsideDatadir.length;
  return {
    method: method.method,
    level: level.level,
    reasons: [
      ...method.reasons,
      ...level.reasons,
      `member ${chosen.member.memberId} is a ${role}${behind}, ${level.level === 'incremental' ? 'of which the chain is, one' : 'the best'} of ${others + 1} that may be backed up`,
      `${GB(expectedBytes)} are expected, in volumes of ${sizes.volumeBytes / 1024 ** 2} MiB with ${sizes.uploadsInFlight} in flight${streams > 1 ? ` and ${streams} streams` : ''}: ${sizes.memoryMiB} of ${policy.memoryMiB} MiB`,
      ...(streams < wanted
        ? [`the policy asks for ${wanted} streams, memoryMiB has room for ${streams}`]
        : []),
      ...commandSentence(chosen, method.method, { checkpointFirst, streams }, level),
      ...(outside > 0
        ? [`${outside} tables lie outside the data directory: a restore needs a decision about them`]
        : []),
    ],
    role,
    checkpointFirst,
    stopApplier: policy.stopApplier && role === 'replica',
    volumeBytes: sizes.volumeBytes,
    uploadsInFlight: sizes.uploadsInFlight,
    frameBytes,
    expectedBytes,
    ...(streams > 1 ? { fifoStreams: streams } : {}),
    ...(method.method === 'logical' ? { spoolBytes: method.spoolBytes } : {}),
    chain: level.level === 'incremental' ? level.chain : ids.backupId,
    parent: level.level === 'incremental' ? level.parent.backupId : null,
    timeline: timelineOf(input),
    ...(level.level === 'incremental' ? { increment: level.increment } : {}),
    deadlineSeconds: policy.deadlineHours * 3600,
  };
}

/** Decides how, from which member and with which caps a cluster is backed up; or refuses with every member's reasons. */
export function planBackup(input: PlanInput): Planned | Refused {
  const { cluster, policy, site, ids, now, slot } = input;
  if (site === undefined) {
    return refused(
      'Plan.Refused',
      `homeSite: ${cluster.homeSite} of cluster ${cluster.clusterId} is not a site of the settings`,
    );
  }
  const judged = cluster.members.map((member) =>
    judgeMember(
      member,
      cluster,
      input.inspections.find((inspection) => inspection.memberId === member.memberId),
      policy,
    ),
  );
  const candidates = inOrderOfPreference(judged.flatMap((j) => ('candidate' in j ? [j.candidate] : [])));
  const unfit = judged.flatMap((j) => ('reasons' in j ? [j] : []));
  const [best] = candidates;
  if (best === undefined) {
    const why = unfit.map(({ memberId, reasons }) => `${memberId}: ${reasons.join(', ')}`);
    return refused(
      'Cluster.NoMember',
      `none of the ${cluster.members.length} members of ${cluster.clusterId} can be backed up. ${why.join('; ')}`,
    );
  }
  const { history, asked } = input;
  const method = chooseMethod({ policy, history, candidates, now });
  if (method.method === 'none') {
    return refused(
      'Plan.Refused',
      `method: the policy ${policy.name} names the logical one, and a dump of ${cluster.clusterId} would not be whole. ${method.why}. Mend that, or let the policy name physical or auto`,
      { field: 'method', value: policy.method },
    );
  }
  const level = chooseLevel({
    policy: { ...policy, method: method.method },
    site,
    history,
    candidates,
    unfit,
    timeline: timelineOf(input),
    mayWait: mayWait(input),
    asked,
  });
  if (level.level === 'later') {
    return refused(
      'Cluster.MemberAway',
      `${level.why}; the policy ${policy.name} waits for it until ${policy.incrementals?.waitMinutes ?? 0} minutes after the slot, then it takes a full of another member`,
    );
  }
  if (level.level === 'none') {
    return refused(
      'Plan.Refused',
      `level: an incremental backup of ${cluster.clusterId} cannot be taken, since ${level.why}; leave level out, or name full`,
      { field: 'level', value: 'incremental' },
    );
  }
  const dumped = method.method === 'logical' ? method.chosen : best;
  const chosen = level.level === 'incremental' ? level.chosen : dumped;
  const plan = planOf(chosen, candidates.length - 1, method, level, input);
  const { hostId } = chosen.member;
  return {
    outcome: 'planned',
    ...ids,
    hostId,
    order: {
      kind: 'backup',
      clusterId: cluster.clusterId,
      backupId: ids.backupId,
      engine: cluster.engine,
      flavour: cluster.flavour,
      member: chosen.member,
      slot,
      policy: method.method === 'physical' ? forOlderRunners(policy) : withoutPlanned(policy),
      site,
      plan,
    },
    leases: [
      { name: 'fleet', cap: policy.caps.fleet },
      { name: `site:${site.site}`, cap: policy.caps.site },
      { name: `physical-host:${input.physicalHostOf(hostId)}`, cap: policy.caps.physicalHost },
    ],
    waitUntil: windowEnd(slot, policy, now),
    deadlineSeconds: plan.deadlineSeconds,
    reasons: plan.reasons,
  };
}
