import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { SlotRecord, Slots } from '../catalog/slot.ts';
import { type ExecutionStatus, executionArnOf } from '../clients/executions.ts';
import type { GetPolicy } from '../clients/policies.ts';
import { whyNotDue } from '../fleet/due.ts';
import { insideWindow, slotInstant, slotName } from '../fleet/slot.ts';
import { each } from './each.ts';
import { type OrderedDeps, reconcileOrdered } from './ordered.ts';
import { nothing, pauseMinutes, type Tally } from './pace.ts';

/** Hours back in which slots are looked at: the longest window and the longest backup that began at its end. */
const lookBackHours = 72;

/** Name of the execution of a slot's attempt, as Fleet backup gives it. */
export const attemptName = (slot: Pick<SlotRecord, 'clusterId' | 'slot' | 'attempt'>): string =>
  `${slot.clusterId}-${slot.slot}-${slot.attempt}`;

/** What is due for a slot. `exhausted`: its attempts or its window are used up without a backup. */
export type SlotDecision =
  | { outcome: 'leave' }
  /** The attempt the record names was never started. */
  | { outcome: 'start' }
  | { outcome: 'start-next' }
  /** Its execution is over and has not said so. */
  | { outcome: 'close'; error: { name: string; cause: string } }
  | { outcome: 'exhausted' };

/**
 * Fleet backup opens thousands of slots before it starts the last of their executions, and one that has just started
 * may be unknown for moments: some minutes pass.
 */
const startMinutes = 5;

const minutesSince = (instant: string, now: Date) => (now.getTime() - Date.parse(instant)) / 60_000;

/** Decides on a cluster's newest slot; `execution` is that of the attempt the record names. */
export function decideSlot(
  slot: Pick<SlotRecord, 'slot' | 'attempt' | 'state' | 'openedAt' | 'closedAt'>,
  execution: ExecutionStatus,
  policy: Pick<Policy, 'attempts' | 'schedule'>,
  now: Date,
): SlotDecision {
  const mayStart = insideWindow(policy.schedule, { slot: slot.slot, at: slotInstant(slot.slot) }, now);
  if (slot.state === 'recorded') return { outcome: 'leave' };
  if (slot.state === 'failed') {
    if (!mayStart || slot.attempt >= policy.attempts) return { outcome: 'exhausted' };
    const rested = minutesSince(slot.closedAt ?? slot.openedAt, now) >= pauseMinutes(policy);
    return { outcome: rested ? 'start-next' : 'leave' };
  }
  switch (execution.status) {
    case 'open':
      return { outcome: 'leave' };
    case 'failed':
      return { outcome: 'close', error: { name: execution.error, cause: execution.cause } };
    case 'succeeded': {
      const cause = 'the execution of this attempt ended without recording a backup or a failure';
      return { outcome: 'close', error: { name: 'Holdfast.Unexpected', cause } };
    }
    case 'unknown': {
      if (minutesSince(slot.openedAt, now) < startMinutes) return { outcome: 'leave' };
      if (mayStart) return { outcome: 'start' };
      const cause = 'the window of the slot passed before its execution was started';
      return { outcome: 'close', error: { name: 'Slot.Missed', cause } };
    }
  }
}

export type RetriesDeps = OrderedDeps & {
  slots: Pick<Slots, 'list' | 'fail' | 'openNext'>;
  getPolicy: GetPolicy;
};

/** Starts the attempt that the record names; its name makes a second start harmless (F44). */
async function start(deps: RetriesDeps, slot: SlotRecord, reason: string): Promise<void> {
  const { clusterId, attempt } = slot;
  const name = attemptName(slot);
  const input = { v: 1, clusterId, slot: slot.slot, attempt, reason };
  const started = await deps.executions.start({ machineArn: deps.backupMachineArn, name, input });
  deps.log.info('started an attempt', { name, ...started });
}

async function reconcileSlot(deps: RetriesDeps, slot: SlotRecord, policy: Policy): Promise<Tally> {
  const now = deps.now();
  const arn = executionArnOf(deps.backupMachineArn, attemptName(slot));
  const execution =
    slot.state === 'open' ? await deps.executions.describe(arn) : { status: 'unknown' as const };
  const decision = decideSlot(slot, execution, policy, now);
  switch (decision.outcome) {
    case 'leave':
      return nothing;
    case 'start':
      await start(deps, slot, 'schedule');
      return { started: 1, exhausted: 0 };
    case 'start-next': {
      const next = await deps.slots.openNext(slot.clusterId, slot.slot, slot.attempt, now.toISOString());
      if (next.outcome === 'opened') await start(deps, next.record, 'retry');
      return { started: next.outcome === 'opened' ? 1 : 0, exhausted: 0 };
    }
    case 'close':
      await deps.slots.fail(slot.clusterId, slot.slot, slot.attempt, decision.error, now.toISOString());
      return nothing;
    case 'exhausted':
      return { started: 0, exhausted: 1 };
  }
}

/**
 * Follows the slots of these clusters: attempts that were never started, that ended without a word, that failed
 * and may be tried again; and starts the backups that are ordered outside the schedule.
 */
export async function reconcileRetries(
  deps: RetriesDeps,
  clusters: readonly ClusterRecord[],
): Promise<Tally & { failed: number }> {
  const now = deps.now();
  const since = slotName(new Date(now.getTime() - lookBackHours * 3_600_000));
  const policies = new Map<string, Promise<Policy | undefined>>();
  const policyOf = (name: string) => {
    const known = policies.get(name) ?? deps.getPolicy(name);
    policies.set(name, known);
    return known;
  };
  const { done, failed } = await each(clusters, 10, deps.log, async (cluster): Promise<Tally> => {
    const { clusterId, policy: name } = cluster.document;
    const policy = await policyOf(name);
    if (!policy || whyNotDue(cluster, name, now) !== undefined) return nothing;
    const ordered = await reconcileOrdered(deps, cluster, policy);
    // What has just been started takes the cluster's lock: a slot's attempt would only be refused.
    if (ordered.started > 0) return ordered;
    // Only the newest slot is followed: it covers the cluster, and an outage ends in one catch-up (F47).
    const newest = (await deps.slots.list(clusterId, since)).at(-1);
    const tally = newest ? await reconcileSlot(deps, newest, policy) : nothing;
    return { ...tally, exhausted: tally.exhausted + ordered.exhausted };
  });
  return {
    started: done.reduce((n, t) => n + t.started, 0),
    exhausted: done.reduce((n, t) => n + t.exhausted, 0),
    failed,
  };
}
