import { z } from 'zod';
import { dueListKey } from '../../contract/layout.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import { id, slotId } from '../../contract/records/ids.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { SlotRecord, Slots } from '../catalog/slot.ts';
import { limited } from '../clients/limited.ts';
import type { Objects } from '../clients/objects.ts';
import type { GetPolicy } from '../clients/policies.ts';
import { describeIssues, makeLambda, type Refused, refused } from '../log/lambda.ts';
import { insideWindow, isSlotOf, newestSlot, type Slot, slotInstant } from './slot.ts';

/** Input of the machine Fleet backup: from the Scheduler without a slot, by hand with one. */
export const fleetBackupInput = z.strictObject({ v: z.literal(1), policy: id, slot: slotId.optional() });

export type DueAnswer =
  | { outcome: 'due'; bucket: string; key: string; count: number; slot: string }
  | { outcome: 'nothing-due'; slot: string | null; reason: string }
  | Refused;

export type DueDeps = {
  clusters: Pick<Clusters, 'list'>;
  slots: Pick<Slots, 'open'>;
  getPolicy: GetPolicy;
  scratch: Pick<Objects, 'bucket' | 'putOnce'>;
  now: () => Date;
  nonce: () => string;
};

/** Why a cluster is not backed up by this policy now; undefined when it is. */
export function whyNotDue(cluster: ClusterRecord, policy: string, now: Date): string | undefined {
  const { document, state } = cluster;
  if (document.policy !== policy) return `its policy is ${document.policy}`;
  if (state !== 'registered') return 'it is not registered yet';
  if (document.retired) return 'it is retired';
  if (document.paused && Date.parse(document.paused.until) > now.getTime()) {
    return `it is paused until ${document.paused.until}`;
  }
  return undefined;
}

/** One line of the list: name and input of the Backup execution for the attempt that the slot's record names. */
export function dueLine({
  clusterId,
  slot,
  attempt,
}: Pick<SlotRecord, 'clusterId' | 'slot' | 'attempt'>): string {
  const input = { v: 1, clusterId, slot, attempt, reason: 'schedule' };
  return JSON.stringify({ name: `${clusterId}-${slot}-${attempt}`, input });
}

/**
 * Finds the clusters that are due for the newest slot of a policy, opens their slot records and writes the list.
 * A slot older than the policy's window is dropped, so that an outage ends in one catch-up and not in many (F46,
 * F47); a slot named by hand is taken whatever its age. Called twice, the same attempts come out.
 */
export function makeHandler(deps: DueDeps) {
  return makeLambda<typeof event, DueAnswer>({
    name: 'due',
    event,
    onInvalid: 'refuse',
    handle: async ({ input }) => {
      const read = fleetBackupInput.safeParse(input);
      if (!read.success) return refused('Input.Invalid', describeIssues(read.error, input));
      const { policy: name, slot: named } = read.data;
      const policy = await deps.getPolicy(name);
      if (policy === undefined) return refused('Policy.Unknown', `policy: ${name} is not deployed`);
      const now = deps.now();
      const slot: Slot | undefined = named
        ? { slot: named, at: slotInstant(named) }
        : newestSlot(policy.schedule, now);
      if (slot === undefined)
        return { outcome: 'nothing-due', slot: null, reason: 'the policy plans no slot' };
      if (named !== undefined && (slot.at > now || !isSlotOf(policy.schedule, named))) {
        const right = newestSlot(policy.schedule, now)?.slot ?? 'none';
        return refused(
          'Input.Invalid',
          `slot: ${named} is not a past slot of policy ${name} (${policy.schedule.cron} in ${policy.schedule.zone}); the newest one is ${right}`,
        );
      }
      if (named === undefined && !insideWindow(policy.schedule, slot, now)) {
        const minutes = Math.floor((now.getTime() - slot.at.getTime()) / 60_000);
        return {
          outcome: 'nothing-due',
          slot: slot.slot,
          reason: `slot ${slot.slot} is ${minutes} minutes old, its window has ${policy.schedule.windowMinutes}`,
        };
      }
      const due = (await deps.clusters.list()).filter((c) => whyNotDue(c, name, now) === undefined);
      const opened = await limited(due, 50, (cluster) =>
        deps.slots.open(cluster.document.clusterId, slot.slot, now.toISOString()),
      );
      // A failed attempt is reconcile's to follow, a recorded slot is done.
      const open = opened.map(({ record }) => record).filter((record) => record.state === 'open');
      if (open.length === 0) {
        return {
          outcome: 'nothing-due',
          slot: slot.slot,
          reason: `${due.length} clusters are on policy ${name}, none has an open attempt`,
        };
      }
      const key = dueListKey(name, slot.slot, deps.nonce());
      await deps.scratch.putOnce(key, open.map((record) => `${dueLine(record)}\n`).join(''));
      return { outcome: 'due', bucket: deps.scratch.bucket, key, count: open.length, slot: slot.slot };
    },
  });
}

const event = z.object({ input: z.unknown() });
