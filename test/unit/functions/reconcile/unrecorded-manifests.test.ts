import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey, volumeKey } from '../../../../contract/layout.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { backupInput } from '../../../../functions/backup/admit.ts';
import { clustersOfPass } from '../../../../functions/reconcile/clusters-of-pass.ts';
import { foreignAtMost } from '../../../../functions/reconcile/unclaimed.ts';
import {
  adoptName,
  decideUnrecorded,
  isUnrecorded,
  reconcileUnrecordedManifests,
} from '../../../../functions/reconcile/unrecorded-manifests.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

const row = example('job');
const order = example('order-backup');
const { clusterId, backupId, slot } = order;
const bucket = order.site.bucket;
const closed = { status: 'failed', error: 'States.Timeout', cause: 'no heartbeat' } as const;
const running: BackupRecord = {
  ...(({ committedAt: _, verifiedAt: __, manifestSha256: ___, ...rest }) => rest)(example('backup')),
  state: 'running',
};

let control: MemoryControl;
const pass = () => reconcileUnrecordedManifests(control, [example('cluster')]);

/** The backup was ordered; its job has ended, its execution is closed, the lock is free. */
async function orderedAndOver() {
  const { live: _, token: __, ...ended } = row;
  await control.dispatched(row, {}, running);
  control.dynamo.tables.get('jobs')!.set(`${row.pk}\u0000${row.sk}`, { ...ended, state: 'lost' });
  control.status.set(row.execution, closed);
  await control.locks.release('cluster:orders', row.execution);
}

beforeEach(() => {
  control = makeMemoryControl('2026-11-23T02:00:00.000Z');
});

describe('what is due for an ordered backup without a record', () => {
  it.each([
    ['running', false, false, true, 'leave'],
    ['running', true, false, true, 'adopt'],
    ['lost', true, false, true, 'adopt'],
    ['committed', true, false, true, 'adopt'],
    ['lost', true, true, true, 'leave'],
    ['running', true, false, false, 'end'],
    ['failed', true, false, false, 'leave'],
  ] as const)('%s, over %s, locked %s, manifest %s: %s', (state, over, locked, manifest, decision) => {
    expect(decideUnrecorded({ state, over, locked, manifest })).toBe(decision);
  });

  it('what was verified, and what was judged bad, is recorded; failed and lost ones are watched for a week', () => {
    const now = new Date('2026-11-23T02:00:00.000Z');
    const of = (state: BackupRecord['state'], startedAt: string, name = 'Job.Lost') =>
      isUnrecorded({ state, startedAt, error: { name, cause: '' } }, now);
    expect(of('verified', running.startedAt)).toBe(false);
    expect(of('lost', '2026-11-16T02:00:01.000Z')).toBe(true);
    expect(of('lost', '2026-11-16T01:59:59.000Z')).toBe(false);
    expect(of('running', '2026-01-01T00:00:00.000Z')).toBe(true);
    expect(of('failed', running.startedAt, 'Verify.ObjectMissing')).toBe(false);
    expect(of('failed', running.startedAt, 'Backup.Unknown')).toBe(false);
    expect(of('failed', running.startedAt, 'Store.Conflict')).toBe(true);
  });

  it('an adoption’s name says whose it is, counts its tries, and is at most 80 characters', () => {
    const name = (clusterId: string, time: string) =>
      adoptName({ clusterId, backupId, startedAt: '2026-11-23T01:00:00.000Z' }, new Date(time));
    expect(name('orders', '2026-11-23T01:20:00.000Z')).toBe(`orders-adopt-${backupId}-0`);
    expect(name('orders', '2026-11-23T02:00:00.000Z')).toBe(`orders-adopt-${backupId}-1`);
    expect(name('orders', '2026-11-30T01:00:00.000Z')).toBe(`orders-adopt-${backupId}-7`);
    const long = name('c'.repeat(40), '2026-11-23T01:20:00.000Z');
    expect(long).toHaveLength(80);
    expect(long.endsWith(`-adopt-${backupId}-0`)).toBe(true);
  });
});

describe('manifests that are not recorded', () => {
  it('an ordered one whose execution closed is adopted by a new execution (F43, F48)', async () => {
    await orderedAndOver();
    control.objects.put(bucket, manifestKey(order), '{}');
    expect(await pass()).toEqual({ adopted: 1, unclaimed: [], others: [], failed: 0 });
    expect(control.started).toEqual([
      {
        name: `orders-adopt-${backupId}-0`,
        input: { v: 1, clusterId, slot, attempt: 1, reason: 'adopt', adopt: backupId },
      },
    ]);
    expect(backupInput.safeParse(control.started[0]!.input).success).toBe(true);
  });

  it('is adopted once, however often is looked (F44)', async () => {
    await orderedAndOver();
    control.objects.put(bucket, manifestKey(order), '{}');
    await pass();
    expect(await pass()).toMatchObject({ adopted: 0 });
    expect(control.started).toHaveLength(1);
  });

  it('is left while its execution runs, a job of it lives, or the cluster is locked', async () => {
    await control.dispatched(row, {}, running);
    control.objects.put(bucket, manifestKey(order), '{}');
    control.status.set(row.execution, { status: 'open' });
    expect(await pass()).toMatchObject({ adopted: 0 });
    control.status.set(row.execution, closed);
    expect(await pass()).toMatchObject({ adopted: 0 });
    const { live: _, ...ended } = row;
    control.dynamo.tables.get('jobs')!.set(`${row.pk}\u0000${row.sk}`, { ...ended, state: 'lost' });
    expect(await pass()).toMatchObject({ adopted: 0 });
    await control.locks.release('cluster:orders', row.execution);
    expect(await pass()).toMatchObject({ adopted: 1 });
  });

  it('a running backup that is over and left none is lost', async () => {
    await orderedAndOver();
    await pass();
    expect(await control.backups.get(clusterId, backupId)).toMatchObject({
      state: 'lost',
      error: { name: 'Job.Lost' },
    });
  });

  it('one that nobody ordered is reported and never used', async () => {
    const place = { clusterId, backupId: 'nobody-ordered-this' };
    control.objects.put(bucket, manifestKey(place), '{}');
    control.objects.put(bucket, volumeKey({ clusterId, backupId: 'only-volumes' }, 'main', 0), 'x');
    expect(await pass()).toEqual({
      adopted: 0,
      unclaimed: [`s3://${bucket}/${manifestKey(place)}`],
      others: [`s3://${bucket}/${clusterId}/backups/only-volumes/`],
      failed: 0,
    });
    expect(control.started).toEqual([]);
  });

  it('recorded backups are not looked at again', async () => {
    await control.backups.apply(example('receipt'));
    control.objects.put(bucket, manifestKey(order), '{}');
    expect(await pass()).toEqual({ adopted: 0, unclaimed: [], others: [], failed: 0 });
  });
});

describe('the clusters of a pass', () => {
  const fleet = (n: number) =>
    Array.from({ length: n }, (_, i) => ({
      document: { ...example('cluster').document, clusterId: `c${i}` },
    }));

  it('are all of a small fleet', () => {
    expect(clustersOfPass(fleet(100), control.now())).toHaveLength(100);
  });

  it('are a share of a large one, and every cluster’s turn comes within 15 minutes (F48)', () => {
    const all = fleet(5000);
    const seen = new Set<string>();
    for (let pass = 0; pass < 7; pass++) {
      const share = clustersOfPass(all, new Date(Date.parse('2026-11-23T02:00:00.000Z') + pass * 120_000));
      expect(share.length).toBeLessThan(720);
      for (const { document } of share) seen.add(document.clusterId);
    }
    expect(seen.size).toBe(5000);
  });
});

describe('a host that floods the bucket', () => {
  it('with manifests that nobody ordered is found out by some of them, at a bounded cost', async () => {
    const site = example('cluster').document.homeSite;
    expect(site).toBe(order.site.site);
    for (let i = 0; i < 3 * foreignAtMost; i++) {
      control.objects.put(bucket, manifestKey({ clusterId, backupId: `forged-${i}` }), '{}');
    }
    let heads = 0;
    const count =
      <A extends unknown[], R>(call: (...of: A) => R) =>
      (...of: A): R => {
        heads += 1;
        return call(...of);
      };
    const objectsOf: MemoryControl['objectsOf'] = (place) => {
      const objects = control.objectsOf(place);
      return { ...objects, head: count(objects.head) };
    };
    const found = await reconcileUnrecordedManifests({ ...control, objectsOf }, [example('cluster')]);
    expect(found.unclaimed).toHaveLength(foreignAtMost);
    expect(heads).toBe(foreignAtMost);
  });
});
