import { describe, expect } from 'vitest';
import { makeHandler as makeAdmit } from '../../../functions/backup/admit.ts';
import { makeHandler as makeCancel } from '../../../functions/backup/cancel.ts';
import { makeHandler as makeFind } from '../../../functions/backup/find-manifest.ts';
import { makeHandler as makeLease } from '../../../functions/backup/lease.ts';
import { makeHandler as makeRecord } from '../../../functions/backup/record.ts';
import { makeHandler as makeRecordFailure } from '../../../functions/backup/record-failure.ts';
import { makeHandler as makeRelease } from '../../../functions/backup/release.ts';
import { makeHandler as makeVerify } from '../../../functions/backup/verify.ts';
import { clusterLock } from '../../../functions/catalog/lock.ts';
import { reconcileClosedExecutions } from '../../../functions/reconcile/closed-executions.ts';
import { reconcileUnrecordedManifests } from '../../../functions/reconcile/unrecorded-manifests.ts';
import { makeMemoryControl } from '../../doubles/memory-control.ts';
import { makeMemoryObjects } from '../../doubles/memory-objects.ts';
import { aCluster, aManifest, anOrder, aPolicy } from '../../doubles/records.ts';
import { orderBackup, storeBackup } from '../../doubles/stored-backup.ts';
import { faultTest } from '../fault-test.ts';

const slot = '20261123T0100Z';
const lock = clusterLock('orders');
const leases = [{ name: 'fleet', cap: 1 }];
const executionArn = (name: string) =>
  `arn:aws:states:eu-central-1:111122223333:execution:holdfast-backup:${name}`;
const first = executionArn(`orders-${slot}-1`);

/** Control with one ordered backup whose runner has stored it whole and ended; its execution holds what it took. */
async function backedUp() {
  const control = makeMemoryControl('2026-11-23T01:30:00.000Z');
  const objects = makeMemoryObjects();
  await control.clusters.restore(aCluster());
  await control.slots.open('orders', slot, '2026-11-23T01:00:00.000Z');
  await control.locks.take(lock, first, '2026-11-23T01:00:00.000Z');
  await control.leases.take(first, leases);
  const ordered = await orderBackup(control, first);
  const userid = `AROAEXAMPLE:${anOrder().member.hostId}`;
  const row = await control.jobs.get(userid, aManifest().jobId);
  await control.jobs.endFor(userid, row!, 'succeeded', '2026-11-23T01:10:00.000Z');
  storeBackup(objects);
  return { ...control, control, objects, objectsOf: () => objects, ordered };
}

type BackedUp = Awaited<ReturnType<typeof backedUp>>;

/** The functions of the Backup machine, with the events that its states give them. */
function stepsOf(the: BackedUp, execution: string) {
  const { clusterId, backupId } = the.ordered;
  const getPolicy = async () => aPolicy({ name: aCluster().document.policy });
  const attempt = { execution, clusterId, backupId, slot, attempt: 1 };
  let jobs = 0;
  return {
    admit: (adopt?: string) =>
      makeAdmit({ ...the, getPolicy, mint: { jobId: () => `job-check-${jobs++}` } })({
        execution,
        input: { v: 1, clusterId, slot, attempt: 1, ...(adopt === undefined ? {} : { adopt }) },
      }),
    lease: () =>
      makeLease({ ...the, random: () => 0.5, sleep: async () => {} })({
        execution,
        leases,
        waitUntil: '2026-11-23T02:00:00.000Z',
      }),
    verify: () => makeVerify(the)({ execution, clusterId, backupId }),
    record: (backups: BackedUp['backups'] = the.backups) =>
      makeRecord({ ...the, backups })({ ...attempt, verdict: 'verified', reasons: [] }),
    cancel: () => makeCancel(the)({ execution, since: the.now().toISOString() }),
    find: () => makeFind(the)({ clusterId, backupId }),
    fail: () =>
      makeRecordFailure(the)({ ...attempt, error: { name: 'Holdfast.Unexpected', cause: 'no table' } }),
    release: () => makeRelease(the)({ execution, lock, leases }),
  };
}

const held = async (the: BackedUp) => ({
  locks: await the.locks.list(),
  leases: await the.leases.heldBy(first),
});
const receipts = (the: BackedUp) => the.objects.keys().filter((key) => key.startsWith('receipts/'));

describe('the catalog', () => {
  faultTest(
    ['F48'],
    'that cannot be written after the upload costs no backup: it is adopted once the table is back, and recorded once',
    async ({ hit, endState }) => {
      const the = await backedUp();
      const steps = stepsOf(the, first);
      const away = {
        ...the.backups,
        apply: async (): Promise<boolean> => {
          hit('F48');
          throw new Error('the table throttles');
        },
      };
      await steps.verify();
      // The first receipt is written, its fold is not; the machine looks for the manifest and tries once more.
      await expect(steps.record(away)).rejects.toThrow('throttles');
      expect(await steps.cancel()).toMatchObject({ outcome: 'ended' });
      expect(await steps.find()).toEqual({ outcome: 'found' });
      await expect(steps.record(away)).rejects.toThrow('throttles');
      await steps.fail();
      await steps.release();
      the.control.status.set(first, { status: 'failed', error: 'Holdfast.Unexpected', cause: 'no table' });
      expect((await the.backups.get('orders', the.ordered.backupId))?.state).toBe('failed');

      the.control.moveTo('2026-11-23T01:44:00.000Z');
      expect(await reconcileUnrecordedManifests(the, [aCluster()])).toMatchObject({ adopted: 1, failed: 0 });
      const { backupId } = the.ordered;
      const adopting = stepsOf(the, executionArn(`orders-adopt-${backupId}-0`));
      expect(await adopting.admit(backupId)).toMatchObject({ outcome: 'adopt' });
      expect(await adopting.verify()).toMatchObject({ outcome: 'verified' });
      await adopting.record();
      await adopting.release();
      await endState(async () => {
        expect(await the.backups.list('orders')).toMatchObject([
          { backupId, state: 'verified', extra: false },
        ]);
        expect((await the.backups.get('orders', backupId))?.error).toBeUndefined();
        expect(await the.slots.get('orders', slot)).toMatchObject({ state: 'recorded', backupId });
        expect(receipts(the)).toHaveLength(2);
        expect(await held(the)).toEqual({ locks: [], leases: [] });
        expect(await reconcileUnrecordedManifests(the, [aCluster()])).toMatchObject({ adopted: 0 });
      });
    },
  );

  faultTest(
    ['F52'],
    'is the same whether each function ran once, or again because its answer got lost',
    async ({ hit, endState }) => {
      /** A whole backup; `times`: how often each function does its work before its caller hears of it. */
      const run = async (times: 1 | 2) => {
        const the = await backedUp();
        const steps = stepsOf(the, first);
        const answers: unknown[] = [];
        const ask = async (step: () => Promise<object>) => {
          for (let n = 1; n < times; n++) {
            await step();
            hit('F52');
          }
          answers.push(await step());
        };
        await ask(() => steps.lease());
        await ask(() => steps.verify());
        await ask(() => steps.record());
        await ask(() => steps.cancel());
        await ask(() => steps.find());
        // A caller that has given up asks for the failure as well: what is recorded stays.
        await ask(() => steps.fail());
        await ask(() => steps.release());
        return { the, answers };
      };
      const once = await run(1);
      const twice = await run(2);
      await endState(() => {
        expect(twice.answers).toEqual(once.answers);
        expect(twice.the.dynamo.items('catalog')).toEqual(once.the.dynamo.items('catalog'));
        expect(twice.the.dynamo.items('jobs')).toEqual(once.the.dynamo.items('jobs'));
        expect(twice.the.objects.keys()).toEqual(once.the.objects.keys());
        expect(receipts(twice.the)).toHaveLength(2);
      });
    },
  );
});

describe('a lock', () => {
  faultTest(
    ['lock left behind'],
    'whose execution is gone comes free once none of its jobs lives, and the one that was taken again is left alone',
    async ({ hit, endState }) => {
      const the = await backedUp();
      the.control.status.set(first, { status: 'failed', error: 'States.Timeout', cause: 'no heartbeat' });
      const other = executionArn('other-now-1');
      await the.locks.take(clusterLock('other'), other, '2026-11-23T01:29:00.000Z');
      the.control.status.set(other, { status: 'open' });
      const releasedMeanwhile = {
        ...the.locks,
        release: async (name: string, execution: string) => {
          // Between look and release somebody frees it by hand, and the next attempt takes it.
          await the.locks.release(name, execution);
          await the.locks.take(name, executionArn(`orders-${slot}-2`), '2026-11-23T01:30:00.000Z');
          hit('lock left behind');
          return the.locks.release(name, execution);
        },
      };
      const { freed, failed } = await reconcileClosedExecutions({
        ...the,
        locks: releasedMeanwhile,
      });
      await endState(async () => {
        expect({ freed, failed }).toEqual({ freed: 1, failed: 0 });
        expect((await the.locks.list()).map(({ name, holder }) => [name, holder])).toEqual([
          [lock, executionArn(`orders-${slot}-2`)],
          [clusterLock('other'), other],
        ]);
        expect(await the.leases.heldBy(first)).toEqual([]);
      });
    },
  );
});
