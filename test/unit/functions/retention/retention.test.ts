import { beforeEach, describe, expect, it } from 'vitest';
import { backupPrefix, logKey, manifestKey, receiptKey, volumeKey } from '../../../../contract/layout.ts';
import type { Tombstone } from '../../../../functions/catalog/tombstone.ts';
import type { VersionsOf } from '../../../../functions/clients/versions.ts';
import { attemptsOfPass, reconcileStrays } from '../../../../functions/reconcile/strays.ts';
import {
  makeHandler,
  type RetentionAnswer,
  type RetentionDeps,
} from '../../../../functions/retention/retention.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';
import { aJobRow, anOrder, aRunningBackup } from '../../../doubles/records.ts';

const { clusterId, site } = anOrder();
const { bucket } = site;
const cluster = example('cluster');

let control: MemoryControl;
const mark = () => reconcileStrays(control, [cluster]);
const clear = (more: Partial<RetentionDeps> = {}, event: object = {}) =>
  makeHandler({ ...control, ...more })(event) as Promise<RetentionAnswer>;
const stored = () => control.objects.keys(bucket);

/** An attempt that was ordered at 01:00 with a deadline at 13:00, stored some volumes, and was lost. */
async function lostAttempt(backupId: string, volumes = 3): Promise<{ clusterId: string; backupId: string }> {
  const [jobId, execution] = [`job-${backupId}`, `arn:${backupId}`];
  const order = anOrder({ backupId });
  const job = aJobRow('AROAEXAMPLE:i-b', jobId, {
    execution,
    order,
    clusterId,
    createdAt: '2026-11-23T01:00:00.000Z',
    deadline: '2026-11-23T13:00:00.000Z',
  });
  const running = aRunningBackup({ backupId, jobId, execution });
  await control.jobs.dispatch(job, 'AROAEXAMPLE:i-b', running);
  await control.jobs.endByForce('AROAEXAMPLE:i-b', jobId, 'lost', job.deadline, {
    name: 'Job.Lost',
    cause: '',
  });
  await control.backups.end(clusterId, backupId, 'lost', { name: 'Job.Lost', cause: 'no beat' });
  control.status.set(execution, { status: 'failed', error: 'Job.Lost', cause: 'no beat' });
  const place = { clusterId, backupId };
  for (let n = 0; n < volumes; n++) control.objects.put(bucket, volumeKey(place, 'main', n), `v${n}`);
  control.objects.put(bucket, logKey(place, jobId), 'log');
  return place;
}

beforeEach(() => {
  control = makeMemoryControl('2026-11-23T14:00:00.000Z');
});

describe('what an attempt without a manifest has stored', () => {
  it('is marked by Reconcile once, and gone a day later, every object of it by its version', async () => {
    const place = await lostAttempt('b-1');
    expect(await mark()).toEqual({ tombstoned: 1, failed: 0 });
    control.moveTo('2026-11-23T20:00:00.000Z');
    expect(await mark()).toEqual({ tombstoned: 0, failed: 0 });
    const [tombstone] = await control.tombstones.list();
    expect(tombstone).toEqual({
      v: 1,
      ...place,
      jobId: 'job-b-1',
      site,
      since: '2026-11-23T14:00:00.000Z',
      notBefore: '2026-11-24T14:00:00.000Z',
    } satisfies Tombstone);
    expect(await clear()).toMatchObject({ outcome: 'done', waiting: 1, versionsDeleted: 0 });
    expect(stored()).toHaveLength(4);

    control.moveTo('2026-11-24T14:00:00.000Z');
    expect(await clear()).toEqual({
      outcome: 'done',
      tombstones: 1,
      waiting: 0,
      cleared: 1,
      kept: 0,
      denied: 0,
      versionsDeleted: 4,
    });
    expect(stored()).toEqual([]);
    expect(control.objects.removed.every(({ versionId }) => versionId !== '')).toBe(true);
    expect(await control.backups.get(clusterId, 'b-1')).toMatchObject({
      state: 'lost',
      clearedAt: '2026-11-24T14:00:00.000Z',
    });
    expect(await control.tombstones.list()).toEqual([]);
    expect(await mark()).toEqual({ tombstoned: 0, failed: 0 });
  });

  it('goes without what lies beside it, however alike the names are', async () => {
    await lostAttempt('b-1');
    const beside = [
      volumeKey({ clusterId, backupId: 'b-10' }, 'main', 0),
      volumeKey({ clusterId, backupId: 'b-' }, 'main', 0),
      volumeKey({ clusterId: `${clusterId}-b`, backupId: 'b-1' }, 'main', 0),
      `x/${volumeKey({ clusterId, backupId: 'b-1' }, 'main', 0)}`,
    ].sort();
    for (const key of beside) control.objects.put(bucket, key, 'good');
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    await clear();
    expect(stored()).toEqual(beside);
  });

  it('is left alone before the deadline that control keeps, whatever its host has said', async () => {
    await lostAttempt('b-1');
    control.moveTo('2026-11-23T13:10:00.000Z');
    expect(await mark()).toEqual({ tombstoned: 0, failed: 0 });
  });

  it('is marked for the order of control alone: an unclaimed folder never is', async () => {
    control.objects.put(bucket, volumeKey({ clusterId, backupId: 'forged' }, 'main', 0), 'x');
    expect(await mark()).toEqual({ tombstoned: 0, failed: 0 });
  });

  it('of one that started too long ago for its order to be kept is not even looked at', async () => {
    await lostAttempt('b-1');
    control.moveTo('2027-06-23T14:00:00.000Z');
    expect(await mark()).toEqual({ tombstoned: 0, failed: 0 });
  });

  it('is more than one pass judges: every attempt has its turn', () => {
    const all = Array.from({ length: 55 }, (_, i) => i);
    const at = (pass: number) =>
      attemptsOfPass(all, new Date(Date.parse('2026-11-23T14:00:00Z') + pass * 120_000));
    // A cluster has its turn every 1 to 7 passes, by the size of its fleet.
    for (const every of [1, 2, 3, 4, 5, 6, 7]) {
      const turns = Array.from({ length: (3 * 7) / every + 1 }, (_, turn) => turn * every);
      expect(new Set(turns.flatMap(at)), `every ${every}`).toEqual(new Set(all));
    }
    expect(attemptsOfPass(all.slice(0, 20), new Date())).toHaveLength(20);
  });
});

describe('a manifest', () => {
  it('that comes before the second look keeps everything, and the tombstone goes', async () => {
    const place = await lostAttempt('b-1');
    await mark();
    control.objects.put(bucket, manifestKey(place), '{}');
    control.moveTo('2026-11-25T00:00:00.000Z');
    expect(await clear()).toMatchObject({ kept: 1, cleared: 0, versionsDeleted: 0 });
    expect(stored()).toHaveLength(5);
    expect(await control.tombstones.list()).toEqual([]);
    expect(await mark()).toEqual({ tombstoned: 0, failed: 0 });
  });

  it('that comes while its volumes are listed keeps what is still there', async () => {
    const place = await lostAttempt('b-1');
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    const versionsOf: VersionsOf = (at) => {
      const versions = control.versionsOf(at);
      return {
        ...versions,
        lockedUntil: async (version) => {
          control.objects.put(bucket, manifestKey(place), '{}');
          return versions.lockedUntil(version);
        },
      };
    };
    expect(await clear({ versionsOf })).toMatchObject({ kept: 1, versionsDeleted: 0 });
    expect(stored()).toHaveLength(5);
  });

  it('of a backup that was adopted meanwhile: its receipt and its record keep it', async () => {
    const place = await lostAttempt('b-1');
    await mark();
    const receipt = example('receipt');
    control.objects.put(bucket, receiptKey(place, receipt.at, 'verified'), '{}');
    control.moveTo('2026-11-25T00:00:00.000Z');
    expect(await clear()).toMatchObject({ kept: 1, versionsDeleted: 0 });

    const other = await lostAttempt('b-2');
    await mark();
    const backup = { ...receipt.backup, backupId: 'b-2' };
    await control.backups.apply({ ...receipt, backupId: 'b-2', backup });
    control.moveTo('2026-11-27T00:00:00.000Z');
    expect(await clear()).toMatchObject({ kept: 1, versionsDeleted: 0 });
    expect(stored().filter((key) => key.startsWith(backupPrefix(other)))).toHaveLength(4);
    expect(await control.backups.cleared(clusterId, 'b-2', '2026-11-27T00:00:00.000Z')).toBe(false);
  });
});

describe('Object Lock', () => {
  it('is asked of the objects themselves: nothing goes before the last of them is free (F33)', async () => {
    const place = await lostAttempt('b-1');
    control.objects.lock(bucket, backupPrefix(place), '2026-11-26T02:00:00.000Z');
    control.objects.lock(bucket, volumeKey(place, 'main', 2), '2026-11-26T09:00:00.000Z');
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    expect(await clear()).toMatchObject({ outcome: 'done', waiting: 1, versionsDeleted: 0 });
    expect(control.objects.denied).toEqual([]);
    expect((await control.tombstones.list())[0]).toMatchObject({ notBefore: '2026-11-26T09:00:00.000Z' });
    control.moveTo('2026-11-26T09:00:00.000Z');
    expect(await clear()).toMatchObject({ cleared: 1, versionsDeleted: 4 });
  });

  it('that the store still sees is no loop of errors where the clocks differ (F33)', async () => {
    const place = await lostAttempt('b-1');
    control.objects.lock(bucket, backupPrefix(place), '2026-11-26T02:00:00.000Z');
    await mark();
    control.moveTo('2026-11-26T03:00:00.000Z');
    control.storeClockAt('2026-11-26T01:59:00.000Z');
    expect(await clear()).toMatchObject({ outcome: 'done', denied: 1, versionsDeleted: 0 });
    expect(control.objects.denied.length).toBeGreaterThan(0);
    expect(await clear()).toMatchObject({ waiting: 1, denied: 0 });
    control.storeClockAt(undefined);
    control.moveTo('2026-11-27T03:00:00.000Z');
    expect(await clear()).toMatchObject({ cleared: 1, versionsDeleted: 4 });
  });
});

describe('a run of Retention', () => {
  it('goes on where the one before ended', async () => {
    await lostAttempt('b-1', 2500);
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    let calls = 0;
    const slow = () => new Date(control.now().getTime() + (calls++ > 6 ? 800_000 : 0));
    const first = await clear({ now: slow });
    expect(first).toMatchObject({ outcome: 'more', cleared: 0 });
    expect(stored().length).toBeGreaterThan(0);
    expect(stored().length).toBeLessThan(2501);
    // Behind all others that are due: what one host has stored by the million keeps no stray from its turn.
    expect((await control.tombstones.list())[0]).toMatchObject({ notBefore: control.now().toISOString() });
    expect(await clear()).toMatchObject({ outcome: 'done', cleared: 1 });
    expect(stored()).toEqual([]);
  });

  it('is not held up by one that breaks, and fails by name at its end', async () => {
    await lostAttempt('b-1');
    await lostAttempt('b-2');
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    const versionsOf: VersionsOf = (at) => {
      const versions = control.versionsOf(at);
      return {
        ...versions,
        remove: async (version) => {
          if (version.key.includes('/b-1/')) throw new Error('503');
          return versions.remove(version);
        },
      };
    };
    await expect(clear({ versionsOf })).rejects.toMatchObject({
      name: 'Retention.Incomplete',
      message: expect.stringContaining('1 of 2 strays'),
    });
    expect(stored().every((key) => key.includes('/b-1/'))).toBe(true);
    expect(await control.tombstones.list()).toMatchObject([
      { backupId: 'b-1', notBefore: '2026-11-25T01:00:00.000Z' },
    ]);
    control.moveTo('2026-11-25T01:00:00.000Z');
    expect(await clear()).toMatchObject({ cleared: 1 });
  });

  it('deletes nothing where the store lists what was not asked for', async () => {
    const place = await lostAttempt('b-1');
    const good = volumeKey({ clusterId, backupId: 'good' }, 'main', 0);
    control.objects.put(bucket, good, 'x');
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    const versionsOf: VersionsOf = (at) => {
      const versions = control.versionsOf(at);
      const all = clusterId.slice(0, 1);
      return {
        ...versions,
        list: (prefix) => versions.list(prefix === backupPrefix(place) ? all : prefix),
      };
    };
    await expect(clear({ versionsOf })).rejects.toMatchObject({ name: 'Retention.Incomplete' });
    expect(stored()).toContain(good);
    expect(control.objects.removed).toEqual([]);
  });

  it('deletes nothing after a rebuild, until somebody names the time since when it is off', async () => {
    await lostAttempt('b-1');
    await mark();
    control.moveTo('2026-11-25T00:00:00.000Z');
    await control.retentionSwitch.turnOff('2026-11-24T00:00:00.000Z', 'rebuilt');
    const off = { outcome: 'off', since: '2026-11-24T00:00:00.000Z', why: 'rebuilt' };
    expect(await clear()).toEqual(off);
    expect(await clear({}, { confirm: '2026-11-23T00:00:00.000Z' })).toMatchObject({ outcome: 'refused' });
    expect(await clear({}, { confirm: 'now' })).toMatchObject({ outcome: 'refused' });
    expect(await clear()).toEqual(off);
    expect(stored()).toHaveLength(4);
    expect(await clear({}, { confirm: off.since })).toMatchObject({ outcome: 'done', cleared: 1 });
    expect(await clear({}, { confirm: off.since })).toMatchObject({
      outcome: 'refused',
      error: { cause: 'confirm: retention is not off' },
    });
  });
});
