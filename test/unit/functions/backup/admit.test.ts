import { beforeEach, describe, expect, it } from 'vitest';
import { makeHandler } from '../../../../functions/backup/admit.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { aCluster, anOrder, aPolicy } from '../../../doubles/records.ts';
import { orderBackup } from '../../../doubles/stored-backup.ts';

const slot = '20261123T0100Z';
const mine = `arn:aws:states:eu-central-1:1:execution:holdfast-backup:orders-${slot}-1`;
let catalog: ReturnType<typeof makeMemoryCatalog>;
let jobs: number;

beforeEach(() => {
  catalog = makeMemoryCatalog();
  jobs = 0;
});

const admit = (input: unknown, execution = mine) =>
  makeHandler({
    ...catalog,
    getPolicy: async (name) => (name === 'nightly' ? aPolicy() : undefined),
    mint: { jobId: () => `job-${jobs++}` },
    now: () => new Date('2026-11-23T01:05:00.000Z'),
  })({ execution, input });

const scheduled = { v: 1, clusterId: 'orders', slot, attempt: 1, reason: 'schedule' };
const put = (change: Parameters<typeof aCluster>[0] = {}) =>
  catalog.clusters.put(aCluster(change), undefined);

describe('admitting a backup', () => {
  it('locks the cluster and orders a check of every member', async () => {
    await put();
    const answer = await admit(scheduled);
    expect(answer).toMatchObject({
      outcome: 'admitted',
      clusterId: 'orders',
      slot,
      attempt: 1,
      reason: 'schedule',
      lock: 'cluster:orders',
      policy: { name: 'nightly' },
      checks: [
        { memberId: 'orders-a', hostId: 'i-a', jobId: 'job-0', deadlineSeconds: 120 },
        { memberId: 'orders-b', hostId: 'i-b', jobId: 'job-1', order: { kind: 'check', engine: 'mysql' } },
      ],
    });
    expect((await catalog.locks.get('cluster:orders'))?.holder).toBe(mine);
    expect((await catalog.slots.get('orders', slot))?.state).toBe('open');
  });

  it('F44: admits the same execution again', async () => {
    await put();
    await admit(scheduled);
    expect((await admit(scheduled)).outcome).toBe('admitted');
  });

  it('hands on the level that the request names, and none where it names none', async () => {
    await put();
    expect(await admit({ v: 1, clusterId: 'orders', level: 'incremental' })).toMatchObject({
      level: 'incremental',
    });
    expect(await admit({ v: 1, clusterId: 'orders' })).not.toHaveProperty('level');
  });

  it('takes a request by hand without slot and attempt', async () => {
    await put();
    expect(await admit({ v: 1, clusterId: 'orders' })).toMatchObject({
      outcome: 'admitted',
      slot: null,
      attempt: 1,
      reason: 'by hand',
    });
  });

  it('names the holder when the cluster is locked, closes its own attempt, and leaves the lock', async () => {
    await put();
    await catalog.locks.take('cluster:orders', 'arn:other', '2026-11-23T00:00:00.000Z');
    expect(await admit(scheduled)).toEqual({
      outcome: 'refused',
      error: {
        name: 'Cluster.Busy',
        cause:
          'clusterId: orders is locked by arn:other since 2026-11-23T00:00:00.000Z; wait until that execution ends',
        facts: { holder: 'arn:other' },
      },
    });
    expect((await catalog.locks.get('cluster:orders'))?.holder).toBe('arn:other');
    expect(await catalog.slots.get('orders', slot)).toMatchObject({
      state: 'failed',
      error: { name: 'Cluster.Busy' },
    });
  });

  it('does not close the attempt of another execution', async () => {
    await put();
    await admit(scheduled);
    const other = await admit(scheduled, 'arn:aws:states:eu-central-1:1:execution:holdfast-backup:by-hand');
    expect(other).toMatchObject({ outcome: 'refused', error: { name: 'Cluster.Busy' } });
    expect((await catalog.slots.get('orders', slot))?.state).toBe('open');
  });

  it('refuses an attempt that the slot does not have open', async () => {
    await put();
    expect(await admit({ ...scheduled, attempt: 2 })).toMatchObject({
      error: {
        name: 'Input.Invalid',
        cause: `attempt: attempt 2 of slot ${slot} is not open; the slot stands at attempt 1, open`,
      },
    });
    expect(await catalog.locks.get('cluster:orders')).toBeUndefined();
  });

  it.each([
    ['Cluster.Unknown', { ...scheduled, clusterId: 'nobody' }, 'clusterId: nobody is not registered'],
    [
      'Input.Invalid',
      { ...scheduled, clusterId: 'No Body' },
      'clusterId is "No Body": must match ^[a-z0-9-]{1,40}$',
    ],
    ['Input.Invalid', { ...scheduled, colour: 'red' }, 'Unrecognized key: "colour"'],
    ['Input.Invalid', { ...scheduled, slot: 'noon' }, 'slot is "noon": must look like 20261123T0200Z'],
    ['Input.Invalid', { ...scheduled, level: 'differential' }, 'level is "differential"'],
    ['Input.Invalid', null, 'the input: Invalid input: expected object, received null'],
    ['Backup.Unknown', { v: 1, clusterId: 'orders', adopt: 'b-9' }, 'no backup b-9 of orders was ordered'],
  ])('refuses with %s, naming the field', async (name, input, cause) => {
    await put();
    expect(await admit(input)).toMatchObject({
      outcome: 'refused',
      error: { name, cause: expect.stringContaining(cause) },
    });
    expect(await catalog.locks.list()).toEqual([]);
  });

  it.each([
    ['Cluster.Retired', { retired: true }, 'retired'],
    [
      'Cluster.Paused',
      { paused: { until: '2026-12-01T00:00:00.000Z', reason: 'new disks' } },
      'paused until 2026-12-01T00:00:00.000Z: new disks',
    ],
    ['Policy.Unknown', { policy: 'weekly' }, 'policy: weekly, named by cluster orders, is not deployed'],
  ])('refuses with %s', async (name, change, cause) => {
    await put(change);
    expect(await admit(scheduled)).toMatchObject({
      outcome: 'refused',
      error: { name, cause: expect.stringContaining(cause) },
    });
    expect(await catalog.locks.list()).toEqual([]);
  });

  it('refuses a cluster whose check is not done', async () => {
    await catalog.clusters.put({ ...aCluster(), state: 'checking' }, undefined);
    expect(await admit(scheduled)).toMatchObject({ error: { name: 'Cluster.NotRegistered' } });
  });

  it('F43, F48: adopts an ordered backup, of a paused cluster too, with the policy it was ordered with', async () => {
    await put({ paused: { until: '2026-12-01T00:00:00.000Z', reason: 'new disks' } });
    const { backupId } = await orderBackup(catalog);
    expect(await admit({ v: 1, clusterId: 'orders', adopt: backupId })).toEqual({
      outcome: 'adopt',
      clusterId: 'orders',
      backupId,
      slot,
      attempt: 1,
      lock: 'cluster:orders',
      policy: anOrder().policy,
    });
  });
});
