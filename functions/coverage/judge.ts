import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { BreachKind } from '../catalog/breach.ts';
import type { BackupFact, CoverageRecord, SlotFact } from '../catalog/coverage.ts';
import { whyNotDue } from '../fleet/due.ts';
import { insideWindow, newestSlot, type Slot, slotInstant } from '../fleet/slot.ts';

type Planned = Pick<Policy, 'schedule' | 'attempts' | 'deadlineHours'>;

/** A policy as of now, worked out once for all of its clusters. `policy` and `newest` are missing where nothing is planned. */
export type Plan = {
  name: string;
  /** Policy and schedule as one text, to see whether they have changed; of a policy that is not deployed nobody knows. */
  text: string | undefined;
  policy: Planned | undefined;
  newest: Slot | undefined;
  /** The newest slot that may not start any more: from here on it has a backup, or one under way, or it was missed. */
  due: Slot | undefined;
};

export function planAt(name: string, policy: Planned | undefined, now: Date): Plan {
  if (policy === undefined) return { name, text: undefined, policy, newest: undefined, due: undefined };
  const { cron, zone, windowMinutes } = policy.schedule;
  return {
    name,
    text: `${name} ${cron} ${zone}`,
    policy,
    newest: newestSlot(policy.schedule, now),
    due: newestSlot(policy.schedule, new Date(now.getTime() - windowMinutes * 60_000 - 1)),
  };
}

/** How a cluster stands. Of the watched ones each is covered, overdue, or waits: for its first slot, or for a backup that runs. */
export type Standing = {
  clusterId: string;
  /** Why nobody has to back it up now; undefined where somebody has. */
  unwatched: string | undefined;
  state: 'unwatched' | 'covered' | 'waiting' | 'overdue';
  /** The newest slot whose window has passed. */
  due: Slot | undefined;
  /** Hours since its newest backup that counts began, or since it is watched; null where it is not. */
  ageHours: number | null;
  /** The slot whose attempts or window are used up without a backup. */
  failedSlot: SlotFact | undefined;
  /** Why no slot can be due, where that is itself the trouble. */
  planless: string | undefined;
  holds: BreachKind[];
};

/**
 * From when on a cluster's slots count: its registration, the end of its pause, or the change of its plan. Null while
 * nobody has to back it up. A document that is registered again changes nothing for a cluster that is watched.
 */
export function watchedSince(
  cluster: ClusterRecord,
  known: Pick<CoverageRecord, 'watchedSince' | 'plan'> | undefined,
  plan: Pick<Plan, 'text'>,
  now: Date,
): string | null {
  if (whyNotDue(cluster, cluster.document.policy, now) !== undefined) return null;
  const before = known?.watchedSince ?? cluster.registeredAt;
  const changed = plan.text !== undefined && known?.watchedSince && known.plan !== plan.text;
  const since = changed ? now.toISOString() : before;
  const pauseEnd = cluster.document.paused?.until;
  return pauseEnd !== undefined && pauseEnd > since ? pauseEnd : since;
}

/** A backup of the slot itself or of a later one, or one by hand that began after its instant. */
export const covers = (backup: Pick<BackupFact, 'slot' | 'startedAt'>, slot: Slot): boolean =>
  backup.slot === null ? Date.parse(backup.startedAt) >= slot.at.getTime() : backup.slot >= slot.slot;

const hoursSince = (instant: string, now: Date) => (now.getTime() - Date.parse(instant)) / 3_600_000;

/** Whether the due slot's own backup, or one by hand, is still within the time that a backup may take. */
function inHand(coverage: CoverageRecord, due: Slot, policy: Planned, now: Date): boolean {
  // An hour on top of the deadline: for leases before it, and for the verification after it.
  const young = (began: string) => hoursSince(began, now) < policy.deadlineHours + 1;
  const { underWay, slots } = coverage;
  const attempt = slots.find((slot) => slot.slot === due.slot);
  if (attempt?.state === 'open' && young(attempt.openedAt)) return true;
  const own = underWay !== null && (underWay.slot === null || underWay.slot === due.slot);
  return own && covers(underWay, due) && young(underWay.startedAt);
}

const used = (slot: SlotFact, policy: Planned, now: Date) =>
  slot.state === 'failed' &&
  (slot.attempt >= policy.attempts ||
    !insideWindow(policy.schedule, { slot: slot.slot, at: slotInstant(slot.slot) }, now));

/**
 * Judges one cluster by what was last seen of it. `open`: its breaches that were told; an open `overdue` or `failed`
 * ends with a backup that counts, not when another attempt begins.
 */
export function judge(
  cluster: ClusterRecord,
  coverage: CoverageRecord,
  { policy, newest, due: ripe }: Plan,
  open: ReadonlySet<BreachKind>,
  now: Date,
): Standing {
  const { clusterId, policy: policyName } = cluster.document;
  const { counted } = coverage;
  const unclaimed: BreachKind[] = coverage.unclaimed.count > 0 ? ['unclaimed'] : [];
  const unwatched = whyNotDue(cluster, policyName, now);
  const since = coverage.watchedSince;
  if (unwatched !== undefined || since === null) {
    const none = { due: undefined, ageHours: null, failedSlot: undefined, planless: undefined };
    return { clusterId, unwatched, state: 'unwatched', ...none, holds: unclaimed };
  }
  const due = ripe && ripe.at.getTime() >= Date.parse(since) ? ripe : undefined;
  const planless =
    policy === undefined
      ? `its policy ${policyName} is not deployed`
      : newest === undefined
        ? `its policy ${policyName} plans no slot`
        : undefined;
  const covered =
    planless === undefined && counted !== null && (due ? covers(counted, due) : counted.startedAt >= since);
  const missed = planless !== undefined || (due !== undefined && !covered);
  const excused = due !== undefined && policy !== undefined && inHand(coverage, due, policy, now);
  const overdue = (missed && !excused) || (open.has('overdue') && !covered);
  const failedSlot = coverage.slots.findLast((slot) => {
    const at = slotInstant(slot.slot);
    const answered = counted !== null && covers(counted, { slot: slot.slot, at });
    return policy && slot.openedAt >= since && used(slot, policy, now) && !answered;
  });
  const failed = failedSlot !== undefined || (open.has('failed') && !covered);
  return {
    clusterId,
    unwatched,
    state: covered ? 'covered' : overdue ? 'overdue' : 'waiting',
    due,
    ageHours: hoursSince(counted?.startedAt ?? since, now),
    failedSlot,
    planless,
    holds: [
      // One message for one trouble: a slot whose failure was told is not told again as missed.
      ...(overdue && (!failed || open.has('overdue')) ? (['overdue'] as const) : []),
      ...(failed ? (['failed'] as const) : []),
      ...(coverage.lost ? (['lost'] as const) : []),
      ...(coverage.suspect ? (['suspect'] as const) : []),
      ...unclaimed,
    ],
  };
}

/**
 * What may be said of a cluster that was not looked at in this pass: trouble that is not noted yet may be over, since
 * what is known is up to some passes old. It is decided by the look, in this pass or one of the next.
 */
export function untilLooked(standing: Standing, noted: ReadonlySet<BreachKind>): Standing {
  const holds = standing.holds.filter((kind) => noted.has(kind));
  const undecided = standing.state === 'overdue' && !noted.has('overdue') && !noted.has('failed');
  return { ...standing, state: undecided ? 'waiting' : standing.state, holds };
}
