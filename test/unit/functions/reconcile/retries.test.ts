import { beforeEach, describe, expect, it } from 'vitest';
import { backupInput } from '../../../../functions/backup/admit.ts';
import { clusterLock } from '../../../../functions/catalog/lock.ts';
import type { SlotRecord } from '../../../../functions/catalog/slot.ts';
import { type ExecutionStatus, executionArnOf } from '../../../../functions/clients/executions.ts';
import { dueLine } from '../../../../functions/fleet/due.ts';
import { decideOrder } from '../../../../functions/reconcile/ordered.ts';
import { attemptName, decideSlot, reconcileRetries } from '../../../../functions/reconcile/retries.ts';
import { example } from '../../../doubles/examples.ts';
import { backupMachineArn, type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

/** Three attempts, a window of 60 minutes: ten minutes between attempts. */
const policy = example('policy');
const slot = '20261123T0100Z';
const opened: SlotRecord = {
  v: 1,
  clusterId: 'orders',
  slot,
  attempt: 1,
  state: 'open',
  openedAt: '2026-11-23T01:00:10.000Z',
};
const failed: SlotRecord = { ...opened, state: 'failed', closedAt: '2026-11-23T01:05:00.000Z' };
const at = (time: string) => new Date(`2026-11-23T${time}.000Z`);
const unknown = { status: 'unknown' } as const;
const error = { name: 'Cluster.NoMember', cause: 'no member' };

describe('what is due for a slot', () => {
  it('the next attempt of a failed one, after a pause', () => {
    expect(decideSlot(failed, unknown, policy, at('01:14:59'))).toEqual({ outcome: 'leave' });
    expect(decideSlot(failed, unknown, policy, at('01:15:00'))).toEqual({ outcome: 'start-next' });
  });

  it('no attempt more than the policy gives, and none past the window', () => {
    expect(decideSlot({ ...failed, attempt: 3 }, unknown, policy, at('01:30:00'))).toEqual({
      outcome: 'exhausted',
    });
    expect(decideSlot(failed, unknown, policy, at('02:00:00'))).toEqual({ outcome: 'start-next' });
    expect(decideSlot(failed, unknown, policy, at('02:00:01'))).toEqual({ outcome: 'exhausted' });
  });

  it('a window of a minute leaves room for its attempts', () => {
    const tight = { ...policy, schedule: { ...policy.schedule, windowMinutes: 1 } };
    const early = { ...failed, closedAt: '2026-11-23T01:00:20.000Z' };
    expect(decideSlot(early, unknown, tight, at('01:00:34'))).toEqual({ outcome: 'leave' });
    expect(decideSlot(early, unknown, tight, at('01:00:35'))).toEqual({ outcome: 'start-next' });
  });

  it('an open one is left while its execution runs, closed where that ended without a word', () => {
    expect(decideSlot(opened, { status: 'open' }, policy, at('05:00:00'))).toEqual({ outcome: 'leave' });
    const aborted = { status: 'failed', error: 'Execution.ABORTED', cause: 'by an operator' } as const;
    expect(decideSlot(opened, aborted, policy, at('01:10:00'))).toEqual({
      outcome: 'close',
      error: { name: 'Execution.ABORTED', cause: 'by an operator' },
    });
    expect(decideSlot(opened, { status: 'succeeded' }, policy, at('01:10:00'))).toMatchObject({
      outcome: 'close',
    });
  });

  it('an open one that was never started is started inside the window, missed after it', () => {
    expect(decideSlot(opened, unknown, policy, at('01:05:09'))).toEqual({ outcome: 'leave' });
    expect(decideSlot(opened, unknown, policy, at('01:05:10'))).toEqual({ outcome: 'start' });
    expect(decideSlot(opened, unknown, policy, at('02:00:01'))).toMatchObject({
      outcome: 'close',
      error: { name: 'Slot.Missed' },
    });
    const late = { ...opened, openedAt: '2026-11-23T01:59:00.000Z' };
    expect(decideSlot(late, unknown, policy, at('02:01:00'))).toEqual({ outcome: 'leave' });
  });

  it('a recorded one is done', () => {
    const recorded = { ...opened, state: 'recorded' as const };
    expect(decideSlot(recorded, unknown, policy, at('01:30:00'))).toEqual({ outcome: 'leave' });
  });
});

describe('following the slots of a cluster', () => {
  let control: MemoryControl;
  const cluster = (({ ordered: _, ...rest }) => rest)(example('cluster'));
  const pass = (clusters = [cluster]) =>
    reconcileRetries(
      { ...control, getPolicy: async (name) => (name === 'nightly' ? policy : undefined) },
      clusters,
    );
  const failSlot = async (attempt: number, closedAt: string) => {
    await control.slots.open('orders', slot, opened.openedAt);
    await control.slots.fail('orders', slot, attempt, error, closedAt);
  };

  beforeEach(() => {
    control = makeMemoryControl('2026-11-23T01:20:00.000Z');
  });

  it('opens the next attempt and starts it under its own name (F44)', async () => {
    await failSlot(1, '2026-11-23T01:05:00.000Z');
    expect(await pass()).toEqual({ started: 1, exhausted: 0, failed: 0 });
    expect(control.started).toEqual([
      { name: `orders-${slot}-2`, input: { v: 1, clusterId: 'orders', slot, attempt: 2, reason: 'retry' } },
    ]);
    expect(backupInput.safeParse(control.started[0]!.input).success).toBe(true);
    expect(await control.slots.get('orders', slot)).toMatchObject({ attempt: 2, state: 'open' });
  });

  it('two passes at once open one attempt (F45)', async () => {
    await failSlot(1, '2026-11-23T01:05:00.000Z');
    const [a, b] = await Promise.all([pass(), pass()]);
    expect(a.started + b.started).toBe(1);
    expect(control.started).toHaveLength(1);
  });

  it('an attempt that was opened and not started is started by a later pass', async () => {
    await failSlot(1, '2026-11-23T01:05:00.000Z');
    await control.slots.openNext('orders', slot, 1, '2026-11-23T01:10:00.000Z');
    await pass();
    expect(control.started.map((s) => s.name)).toEqual([`orders-${slot}-2`]);
  });

  it('names attempts as Fleet backup does', () => {
    expect(attemptName(opened)).toBe(JSON.parse(dueLine(opened)).name);
  });

  it('closes an attempt whose execution died, and starts the next one later', async () => {
    await control.slots.open('orders', slot, opened.openedAt);
    const arn = executionArnOf(backupMachineArn, attemptName(opened));
    control.status.set(arn, { status: 'failed', error: 'States.Timeout', cause: 'no heartbeat' });
    expect(await pass()).toEqual({ started: 0, exhausted: 0, failed: 0 });
    expect(await control.slots.get('orders', slot)).toMatchObject({
      state: 'failed',
      error: { name: 'States.Timeout' },
    });
    control.moveTo('2026-11-23T01:31:00.000Z');
    expect(await pass()).toMatchObject({ started: 1 });
  });

  it('counts a slot whose attempts are used up, until a later slot is there', async () => {
    await failSlot(1, '2026-11-23T01:05:00.000Z');
    control.moveTo('2026-11-23T03:00:00.000Z');
    expect(await pass()).toMatchObject({ started: 0, exhausted: 1 });
    await control.slots.recordBackup('orders', '20261123T0300Z', 1, 'b2', '2026-11-23T03:00:00.000Z');
    expect(await pass()).toMatchObject({ exhausted: 0 });
  });

  it('leaves paused, retired and unregistered clusters alone', async () => {
    await failSlot(1, '2026-11-23T01:05:00.000Z');
    const paused = { until: '2026-12-01T00:00:00.000Z', reason: 'hardware' };
    expect(
      await pass([
        { ...cluster, document: { ...cluster.document, paused } },
        { ...cluster, document: { ...cluster.document, retired: true } },
        { ...cluster, state: 'checking' },
        { ...cluster, document: { ...cluster.document, policy: 'not-deployed' } },
      ]),
    ).toEqual({ started: 0, exhausted: 0, failed: 0 });
  });

  describe('of which one more backup is ordered', () => {
    const ordered = { ...cluster, ordered: example('cluster').ordered! };
    const now = '2026-11-23T02:05:00.000Z';
    const name = (attempt: number) => `orders-now-20261122030000000-${attempt}`;
    const passOrdered = async () => {
      const read = await control.clusters.get('orders');
      return pass(read ? [read] : []);
    };
    const endedAs = (attempt: number, status: ExecutionStatus) =>
      control.status.set(executionArnOf(backupMachineArn, name(attempt)), status);
    const busy = { status: 'failed', error: 'Cluster.Busy', cause: 'held' } as const;

    beforeEach(async () => {
      control.moveTo(now);
      await control.clusters.restore(ordered);
    });

    it('starts it with its level and reason, once, and takes the order off when it has ended', async () => {
      expect(await passOrdered()).toMatchObject({ started: 1 });
      expect(await passOrdered()).toMatchObject({ started: 0 });
      expect(control.started).toEqual([
        {
          name: name(1),
          input: {
            v: 1,
            clusterId: 'orders',
            slot: null,
            attempt: 1,
            reason: 'the last backup is suspect',
            level: 'full',
          },
        },
      ]);
      expect(backupInput.safeParse(control.started[0]!.input).success).toBe(true);
      expect((await control.clusters.get('orders'))?.ordered).toBeDefined();
      endedAs(1, { status: 'succeeded' });
      expect(await passOrdered()).toMatchObject({ started: 0 });
      expect((await control.clusters.get('orders'))?.ordered).toBeUndefined();
      expect(control.started).toHaveLength(1);
    });

    it('waits while the cluster is locked, and does not forget', async () => {
      await control.locks.take(clusterLock('orders'), 'arn:another', now);
      expect(await passOrdered()).toMatchObject({ started: 0 });
      await control.locks.release(clusterLock('orders'), 'arn:another');
      expect(await passOrdered()).toMatchObject({ started: 1 });
    });

    it('starts no attempt of a slot beside it, which the lock would only refuse', async () => {
      control.moveTo('2026-11-23T01:20:00.000Z');
      await failSlot(1, '2026-11-23T01:05:00.000Z');
      expect(await passOrdered()).toMatchObject({ started: 1 });
      expect(control.started.map((s) => s.name)).toEqual([name(1)]);
    });

    it('tries again as often as the policy says, then counts it as given up', async () => {
      await passOrdered();
      endedAs(1, busy);
      await passOrdered();
      endedAs(2, busy);
      await passOrdered();
      endedAs(3, busy);
      expect(control.started.map((s) => s.name)).toEqual([name(1), name(2), name(3)]);
      expect(await passOrdered()).toEqual({ started: 0, exhausted: 1, failed: 0 });
      expect((await control.clusters.get('orders'))?.ordered).toBeUndefined();
      expect(await passOrdered()).toEqual({ started: 0, exhausted: 0, failed: 0 });
    });

    it('leaves a pause between its attempts', () => {
      const { at: orderedAt } = example('cluster').ordered!;
      const later = (minutes: number) => new Date(Date.parse(orderedAt) + minutes * 60_000);
      expect(decideOrder({ at: orderedAt }, [busy, unknown], policy, later(9))).toEqual({ outcome: 'leave' });
      expect(decideOrder({ at: orderedAt }, [busy, unknown], policy, later(10))).toEqual({
        outcome: 'start',
        attempt: 2,
      });
    });

    it('takes it off when a backup that began later is there, whoever started it', async () => {
      const startedAt = '2026-11-22T04:00:00.000Z';
      const backup = { ...example('backup'), clusterId: 'orders', startedAt, slot: null };
      await control.backups.apply({
        v: 1,
        fact: 'verified',
        clusterId: 'orders',
        backupId: backup.backupId,
        at: startedAt,
        by: 'arn:e1',
        reasons: [],
        backup,
      });
      expect(await passOrdered()).toMatchObject({ started: 0 });
      expect(control.started).toEqual([]);
      expect((await control.clusters.get('orders'))?.ordered).toBeUndefined();
    });
  });
});
