import { describe, expect } from 'vitest';
import type { Policy } from '../../../contract/records/policy.ts';
import { makeHandler as makeDue } from '../../../functions/fleet/due.ts';
import { reconcileRetries } from '../../../functions/reconcile/retries.ts';
import { type MemoryControl, makeMemoryControl } from '../../doubles/memory-control.ts';
import { aCluster, aPolicy } from '../../doubles/records.ts';
import { faultTest } from '../fault-test.ts';

const minute = 60_000;
const { clusterId, policy: policyName } = aCluster().document;

/** Fleet backup's function and Reconcile over one cluster, as its schedule and the two minutes would call them. */
async function aFleet(at: string, schedule: Partial<Policy['schedule']>) {
  const control: MemoryControl = makeMemoryControl(at);
  await control.clusters.restore(aCluster());
  const base = aPolicy({ name: policyName });
  const policy = { ...base, schedule: { ...base.schedule, ...schedule } };
  const getPolicy = async () => policy;
  let nonce = 0;
  const due = makeDue({
    ...control,
    getPolicy,
    scratch: control.objectsOf({ bucket: 'scratch', region: 'eu-central-1' }),
    nonce: () => `n${nonce++}`,
  });
  return {
    control,
    /** The schedule's event arrives. */
    fire: async () =>
      (await due({ input: { v: 1, policy: policyName } })) as { outcome: string; slot: string },
    reconcile: () => reconcileRetries({ ...control, getPolicy }, [aCluster()]),
    slots: async () => (await control.slots.list(clusterId, '2026')).map(({ slot }) => slot),
    /** Moves the clock to `end` by steps of so many minutes, and does `each` after every step. */
    async until(end: string, step: number, each: (now: Date) => Promise<void>) {
      while (control.now().getTime() < Date.parse(end)) {
        control.moveTo(new Date(control.now().getTime() + step * minute).toISOString());
        await each(control.now());
      }
    },
  };
}

describe('a slot', () => {
  faultTest(
    ['F47'],
    'of many that an outage swallowed is caught up once, the newest, and the next one comes as planned',
    async ({ hit, endState }) => {
      const hourly = { cron: '0 * * * *', zone: 'UTC', windowMinutes: 60 };
      const fleet = await aFleet('2026-11-23T00:30:00.000Z', hourly);
      const outage = { from: '2026-11-23T01:00:00.000Z', to: '2026-11-23T05:20:00.000Z' };
      const started: string[] = [];
      await fleet.until('2026-11-23T06:00:00.000Z', 10, async (now) => {
        const planned = now.getUTCMinutes() === 0;
        if (now.toISOString() >= outage.from && now.toISOString() < outage.to) {
          if (planned) hit('F47');
          return;
        }
        // The Scheduler tries again for as long as the window lasts: the event of 05:00 comes at 05:20.
        const late = now.toISOString() === outage.to;
        if (planned || late) {
          const { outcome, slot } = await fleet.fire();
          if (outcome === 'due') started.push(slot);
        }
        await fleet.reconcile();
      });
      await endState(async () => {
        expect(started).toEqual(['20261123T0500Z', '20261123T0600Z']);
        expect(await fleet.slots()).toEqual(started);
        // Reconcile starts the attempts that the record names, each under its own name and once.
        expect(fleet.control.started.map(({ name }) => name)).toEqual([`${clusterId}-20261123T0500Z-1`]);
      });
    },
  );

  faultTest(
    ['F46'],
    'whose event comes after its window is dropped, and one whose event comes twice has one attempt',
    async ({ hit, endState }) => {
      const daily = { cron: '0 1 * * *', zone: 'UTC', windowMinutes: 60 };
      const fleet = await aFleet('2026-11-23T01:10:00.000Z', daily);
      const first = await fleet.fire();
      const again = await fleet.fire();
      if (again.outcome === 'due') hit('F46');
      fleet.control.moveTo('2026-11-24T02:00:00.001Z');
      const late = await fleet.fire();
      await endState(async () => {
        expect(again.slot).toBe(first.slot);
        const scratch = fleet.control.objects;
        const lists = scratch.keys('scratch').map((key) => scratch.text('scratch', key));
        expect(new Set(lists).size).toBe(1);
        expect(await fleet.control.slots.get(clusterId, first.slot)).toMatchObject({
          attempt: 1,
          state: 'open',
        });
        expect(late).toMatchObject({ outcome: 'nothing-due', slot: '20261124T0100Z' });
        expect(await fleet.slots()).toEqual([first.slot]);
      });
    },
  );

  faultTest(
    ['F54'],
    'is one for each local day, also for those on which the clock skips or repeats its hour',
    async ({ hit, endState }) => {
      const zone = 'Europe/Berlin';
      const daily = { cron: '30 2 * * *', zone, windowMinutes: 120 };
      const offset = (at: Date) =>
        new Intl.DateTimeFormat('en', { timeZone: zone, timeZoneName: 'longOffset' })
          .formatToParts(at)
          .find(({ type }) => type === 'timeZoneName')?.value;
      const all: string[][] = [];
      for (const [from, to] of [
        ['2026-03-27T20:00:00.000Z', '2026-03-30T06:00:00.000Z'],
        ['2026-10-23T20:00:00.000Z', '2026-10-26T06:00:00.000Z'],
      ] as const) {
        const fleet = await aFleet(from, daily);
        let before = offset(new Date(from));
        await fleet.until(to, 10, async (now) => {
          if (offset(now) !== before) hit('F54');
          before = offset(now);
          await fleet.fire();
        });
        all.push(await fleet.slots());
      }
      await endState(() => {
        expect(all).toEqual([
          // Winter time, the gap of 02:00 to 03:00 whose end is 01:00 UTC, summer time.
          ['20260328T0130Z', '20260329T0100Z', '20260330T0030Z'],
          // Summer time, the first of two half past two, winter time.
          ['20261024T0030Z', '20261025T0030Z', '20261026T0130Z'],
        ]);
      });
    },
  );

  faultTest(
    ['F44', 'F45'],
    'that two passes of Reconcile and a second event meet at once gives each number of an attempt out once',
    async ({ hit, endState }) => {
      const daily = { cron: '0 1 * * *', zone: 'UTC', windowMinutes: 120 };
      const fleet = await aFleet('2026-11-23T01:00:00.000Z', daily);
      const { control } = fleet;
      const { slot } = await fleet.fire();
      await control.slots.fail(
        clusterId,
        slot,
        1,
        { name: 'Job.Lost', cause: '' },
        '2026-11-23T01:05:00.000Z',
      );
      control.moveTo('2026-11-23T01:30:00.000Z');
      const executions = {
        ...control.executions,
        start: async (of: Parameters<typeof control.executions.start>[0]) => {
          const answer = await control.executions.start(of);
          if (answer.outcome === 'exists') hit('F44');
          return answer;
        },
      };
      const pass = () =>
        reconcileRetries({ ...control, executions, getPolicy: async () => aPolicy({ name: policyName }) }, [
          aCluster(),
        ]);
      const both = await Promise.all([pass(), pass(), fleet.fire()]);
      if (both[0].started + both[1].started === 1) hit('F45');
      // The start's answer gets lost, and its record is found open without an execution that is known: started again.
      await executions.start({
        machineArn: control.backupMachineArn,
        name: `${clusterId}-${slot}-2`,
        input: {},
      });
      await endState(async () => {
        expect(control.started.map(({ name }) => name)).toEqual([`${clusterId}-${slot}-2`]);
        expect(await control.slots.get(clusterId, slot)).toMatchObject({ attempt: 2, state: 'open' });
      });
    },
  );
});
