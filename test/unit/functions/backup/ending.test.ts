import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey } from '../../../../contract/layout.ts';
import { makeHandler as makeCancel } from '../../../../functions/backup/cancel.ts';
import { makeHandler as makeFindManifest } from '../../../../functions/backup/find-manifest.ts';
import { makeHandler as makePublish } from '../../../../functions/backup/publish.ts';
import { makeHandler as makeRelease } from '../../../../functions/backup/release.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { makeMemoryObjects } from '../../../doubles/memory-objects.ts';
import { aJobRow } from '../../../doubles/records.ts';
import { orderBackup } from '../../../doubles/stored-backup.ts';

const at = '2026-11-23T01:00:00.000Z';
let catalog: ReturnType<typeof makeMemoryCatalog>;

beforeEach(() => {
  catalog = makeMemoryCatalog();
});

describe('releasing', () => {
  const release = (event: object) =>
    makeRelease(catalog)({ execution: 'arn:e1', lock: 'cluster:orders', ...event });
  const pin = { clusterId: 'orders', backupId: 'b-1' };

  beforeEach(async () => {
    await catalog.locks.take('cluster:orders', 'arn:e1', at);
    await catalog.leases.take('arn:e1', [{ name: 'fleet', cap: 9 }]);
    await catalog.leases.take('arn:e2', [{ name: 'fleet', cap: 9 }]);
    for (const execution of ['arn:e1', 'arn:e2']) {
      await catalog.pins.put({ v: 1, ...pin, execution, since: at, until: at });
    }
  });

  it('gives back lock, caps and pin of the execution, those of others stay, and twice is harmless', async () => {
    for (let i = 0; i < 2; i++) {
      expect(await release({ pin, leases: [{ name: 'fleet', cap: 9 }] })).toEqual({ outcome: 'released' });
      expect(await catalog.locks.list()).toEqual([]);
      expect(await catalog.leases.list()).toEqual([{ name: 'fleet', holders: ['arn:e2'] }]);
      expect((await catalog.pins.list()).map((p) => p.execution)).toEqual(['arn:e2']);
    }
  });

  it('finds the caps itself where the machine does not know them', async () => {
    await release({ leases: null });
    expect(await catalog.leases.heldBy('arn:e1')).toEqual([]);
  });

  it('leaves a lock that another execution took since', async () => {
    await catalog.locks.release('cluster:orders', 'arn:e1');
    await catalog.locks.take('cluster:orders', 'arn:e2', at);
    await release({});
    expect((await catalog.locks.get('cluster:orders'))?.holder).toBe('arn:e2');
  });
});

describe('cancelling the jobs of an execution', () => {
  const cancel = (now: string) =>
    makeCancel({ ...catalog, now: () => new Date(now) })({ execution: 'arn:e1', since: at });
  const job = (jobId: string, state: 'queued' | 'claimed' | 'committing', execution = 'arn:e1') =>
    catalog.jobs.dispatch(aJobRow('AROA:i-a', jobId, { state, execution }), 'AROA:i-a');

  it('has ended when nothing was ordered, or only what nobody had claimed', async () => {
    expect(await cancel(at)).toEqual({ outcome: 'ended', live: [] });
    await job('job-1', 'queued');
    await job('job-2', 'queued', 'arn:other');
    expect(await cancel(at)).toEqual({ outcome: 'ended', live: [] });
    expect((await catalog.jobs.get('AROA:i-a', 'job-1'))?.state).toBe('cancelled');
    expect((await catalog.jobs.get('AROA:i-a', 'job-2'))?.state).toBe('queued');
  });

  it('waits for a claimed and for a committing job, and leaves them to reconcile after ten minutes', async () => {
    await job('job-1', 'claimed');
    await job('job-2', 'committing');
    const live = ['job-1', 'job-2'];
    expect(await cancel('2026-11-23T01:09:59.000Z')).toEqual({ outcome: 'waiting', live });
    expect((await catalog.jobs.get('AROA:i-a', 'job-2'))?.state).toBe('committing');
    expect(await cancel('2026-11-23T01:10:00.000Z')).toEqual({ outcome: 'given-up', live });
    for (const jobId of live) {
      const row = await catalog.jobs.get('AROA:i-a', jobId);
      await catalog.jobs.endFor('AROA:i-a', row!, 'cancelled', at);
    }
    expect(await cancel('2026-11-23T01:10:15.000Z')).toEqual({ outcome: 'ended', live: [] });
  });
});

describe('looking for the manifest', () => {
  const objects = makeMemoryObjects();
  const find = (backupId: string | null) =>
    makeFindManifest({ ...catalog, objectsOf: () => objects })({ clusterId: 'orders', backupId });

  it('F43: finds that of an ordered backup, and none of any other', async () => {
    const backup = await orderBackup(catalog);
    expect(await find(null)).toEqual({ outcome: 'none' });
    expect(await find(backup.backupId)).toEqual({ outcome: 'none' });
    objects.place(manifestKey(backup), '{}');
    expect(await find(backup.backupId)).toEqual({ outcome: 'found' });
    objects.place(manifestKey({ clusterId: 'orders', backupId: 'b-forged' }), '{}');
    expect(await find('b-forged')).toEqual({ outcome: 'none' });
  });
});

describe('publishing', () => {
  const detail = {
    clusterId: 'orders',
    backupId: null,
    slot: null,
    attempt: 1,
    error: 'Job.Lost',
    cause: 'no beat',
  };
  const publish = (events: unknown) => {
    const sent: unknown[] = [];
    const handler = makePublish({
      putEvents: async (all) => void sent.push(...all),
      now: () => new Date(at),
    });
    return handler({ events }).then((answer) => ({ answer, sent }));
  };

  it('puts events as the contract has them, with version and time', async () => {
    expect(await publish([{ name: 'Backup Failed', detail }])).toEqual({
      answer: { outcome: 'published', count: 1 },
      sent: [{ name: 'Backup Failed', detail: { version: 1, at, ...detail } }],
    });
  });

  it('puts none that the contract does not know or that does not fit', async () => {
    await expect(publish([{ name: 'Backup Lost', detail }])).rejects.toMatchObject({ name: 'Input.Invalid' });
    await expect(publish([{ name: 'Backup Failed', detail: { ...detail, attempt: 'two' } }])).rejects.toThrow(
      'event Backup Failed: attempt is "two"',
    );
  });
});
