import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import { manifestKey } from '../../../../contract/layout.ts';
import { backupResultSchema, type JobRow } from '../../../../contract/records/job.ts';
import { runningBackup } from '../../../../functions/backup/order-job.ts';
import { decideLiveJob, reconcileLostJobs } from '../../../../functions/reconcile/lost-jobs.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

/** Dispatched at 01:00:06, claimed at 01:00:08, last beat at 01:03:38, to be claimed by 01:05:06. */
const row = example('job');
const order = example('order-backup');
const queued: JobRow = { ...row, state: 'queued' };
for (const name of ['claimedAt', 'beatAt', 'claimSecretSha256', 'progress', 'runnerVersion'] as const)
  delete queued[name];
const running = runningBackup(
  {
    jobId: row.jobId,
    host: { userid: row.pk, document: { ...example('host').document } },
    clusterId: 'orders',
    execution: row.execution,
    lock: row.lock,
    order,
    deadlineSeconds: 86_400,
  },
  order,
  new Date(row.createdAt),
);

const at = (time: string) => new Date(`2026-11-23T${time}.000Z`);
const decide = (changes: Partial<JobRow>, time: string) => decideLiveJob({ ...row, ...changes }, at(time));

describe('whether a live job is gone', () => {
  it('a queued one is lost once it can no longer be claimed (F39, F41)', () => {
    expect(decideLiveJob(queued, at('01:05:06'))).toEqual({ outcome: 'leave' });
    expect(decideLiveJob(queued, at('01:05:07'))).toMatchObject({
      outcome: 'end',
      as: 'lost',
      error: {
        name: 'Job.Lost',
        cause: expect.stringContaining('was not claimed by 2026-11-23T01:05:06.000Z'),
      },
    });
  });

  it('a claimed one is lost after five minutes without a beat (F11, F12)', () => {
    expect(decide({}, '01:08:38')).toEqual({ outcome: 'leave' });
    expect(decide({}, '01:08:39')).toMatchObject({ outcome: 'end', as: 'lost' });
  });

  it('one that was claimed and never beat counts from its claim', () => {
    const { beatAt: _, ...unbeaten } = row;
    expect(decideLiveJob(unbeaten, at('01:05:08'))).toEqual({ outcome: 'leave' });
    expect(decideLiveJob(unbeaten, at('01:05:09'))).toMatchObject({ outcome: 'end' });
  });

  it('a beating one is lost past its deadline, with a minute for its own last word', () => {
    const deadline = '2026-11-23T01:03:00.000Z';
    expect(decide({ deadline }, '01:04:00')).toEqual({ outcome: 'leave' });
    expect(decide({ deadline }, '01:04:01')).toMatchObject({
      as: 'lost',
      error: { cause: expect.stringContaining('runs past its deadline') },
    });
  });

  it('a committing one is given 15 minutes, and its manifest is looked for from the fifth on (F48)', () => {
    expect(decide({ state: 'committing' }, '01:08:38')).toEqual({ outcome: 'leave' });
    expect(decide({ state: 'committing' }, '01:18:38')).toEqual({
      outcome: 'look',
      without: { outcome: 'leave' },
    });
    expect(decide({ state: 'committing' }, '01:18:39')).toMatchObject({
      outcome: 'look',
      without: { as: 'lost' },
    });
  });

  it('a committing one is not lost for its deadline', () => {
    const deadline = '2026-11-23T01:03:00.000Z';
    expect(decide({ state: 'committing', deadline }, '01:08:00')).toEqual({ outcome: 'leave' });
  });

  it('a cancelled one whose runner is silent ends as cancelled', () => {
    expect(decide({ state: 'cancelled' }, '01:08:38')).toEqual({ outcome: 'leave' });
    expect(decide({ state: 'cancelled' }, '01:08:39')).toMatchObject({
      as: 'cancelled',
      error: { name: 'Job.Cancelled' },
    });
  });

  it.each(['succeeded', 'failed', 'lost'] as const)('a %s one is left', (state) => {
    const { live: _, ...ended } = row;
    expect(decideLiveJob({ ...ended, state }, at('23:00:00'))).toEqual({ outcome: 'leave' });
  });
});

describe('ending lost jobs', () => {
  let control: MemoryControl;
  const pass = () => reconcileLostJobs(control);
  const rowNow = async () => control.jobs.get(row.pk, row.jobId);
  const backupNow = async () => control.backups.get('orders', order.backupId);
  const storeManifest = (jobId = row.jobId) => {
    const text = encodeManifest({ ...example('manifest'), jobId });
    control.objects.put(order.site.bucket, manifestKey(order), text);
    return createHash('sha256').update(text).digest('hex');
  };

  const writeRow = (changed: Record<string, unknown>) =>
    control.dynamo.tables.get('jobs')!.set(`${row.pk}\u0000${row.sk}`, changed);

  beforeEach(() => {
    control = makeMemoryControl('2026-11-23T01:10:00.000Z');
  });

  it('the row is lost, the token answered by name, the backup lost; the lock is not touched', async () => {
    await control.dispatched(queued, row, running);
    expect(await pass()).toEqual({ live: 0, lost: 1, completed: 0, failed: 0 });
    expect(await rowNow()).toMatchObject({
      state: 'lost',
      endedAt: '2026-11-23T01:10:00.000Z',
      error: { name: 'Job.Lost' },
    });
    expect(await rowNow()).not.toHaveProperty('token');
    expect(control.told).toMatchObject([{ token: row.token, error: { name: 'Job.Lost' } }]);
    expect(await backupNow()).toMatchObject({ state: 'lost', error: { name: 'Job.Lost' } });
    expect(await control.locks.get('cluster:orders')).toMatchObject({ holder: row.execution });
  });

  it('a second pass finds nothing left to do', async () => {
    await control.dispatched(queued, row, running);
    await pass();
    expect(await pass()).toEqual({ live: 0, lost: 0, completed: 0, failed: 0 });
    expect(control.told).toHaveLength(1);
  });

  it('a token that has timed out is no error (F43)', async () => {
    await control.dispatched(queued, row, running);
    control.late.add(row.token!);
    expect(await pass()).toMatchObject({ lost: 1, failed: 0 });
  });

  it('one that has ended is left, and not looked at again: the list nominates, a strong read decides (F51)', async () => {
    await control.dispatched(queued, row, running);
    const { live: _, token: __, ...ended } = { ...row, state: 'succeeded' as const };
    writeRow(ended);
    expect(await pass()).toEqual({ live: 0, lost: 0, completed: 0, failed: 0 });
    expect(control.told).toEqual([]);
    expect(await control.orders.maybeLive()).toEqual([]);
  });

  it('a beat between the look and the end saves the job (F51)', async () => {
    await control.dispatched(queued, row, running);
    const jobs = {
      ...control.jobs,
      look: async () => ({ ...row, beatAt: '2026-11-23T01:00:30.000Z' }),
    };
    expect(await reconcileLostJobs({ ...control, jobs })).toMatchObject({ live: 1, lost: 0 });
    expect(await rowNow()).toMatchObject({ state: 'claimed', token: row.token });
  });

  it('a silent committing job whose manifest is there has succeeded, and says so in its runner’s words (F43, F48)', async () => {
    await control.dispatched(queued, { ...row, state: 'committing' }, running);
    const sha256 = storeManifest();
    expect(await pass()).toEqual({ live: 0, lost: 0, completed: 1, failed: 0 });
    expect(await rowNow()).toMatchObject({ state: 'succeeded' });
    const [told] = control.told;
    const result = backupResultSchema.parse((told as { output: unknown }).output);
    expect(result).toEqual({
      kind: 'backup',
      jobId: row.jobId,
      backupId: order.backupId,
      manifestKey: manifestKey(order),
      manifestSha256: sha256,
      bytes: 6657199308,
      storedBytes: 1779214336,
      volumes: 54,
    });
    expect(await backupNow()).toMatchObject({ state: 'running' });
  });

  it('a committing job without a manifest is lost after 15 minutes, not before', async () => {
    await control.dispatched(queued, { ...row, state: 'committing' }, running);
    expect(await pass()).toMatchObject({ live: 1, lost: 0 });
    control.moveTo('2026-11-23T01:19:00.000Z');
    expect(await pass()).toMatchObject({ live: 0, lost: 1 });
  });

  it('a manifest of another job is not taken for its own', async () => {
    await control.dispatched(queued, { ...row, state: 'committing' }, running);
    storeManifest('job-of-somebody');
    control.moveTo('2026-11-23T01:19:00.000Z');
    expect(await pass()).toMatchObject({ completed: 0, lost: 1 });
  });

  it('a cancelled job that never answered frees its execution, its backup has failed', async () => {
    await control.dispatched(queued, { ...row, state: 'cancelled' }, running);
    await pass();
    expect(await rowNow()).toMatchObject({ state: 'cancelled', endedAt: expect.any(String) });
    expect(await rowNow()).not.toHaveProperty('live');
    expect(await backupNow()).toMatchObject({ state: 'failed', error: { name: 'Job.Cancelled' } });
  });

  it('a job whose manifest cannot be read does not keep the others from being looked at', async () => {
    await control.dispatched(queued, { ...row, state: 'committing' }, running);
    control.objects.put(order.site.bucket, manifestKey(order), '{');
    const check = {
      ...queued,
      sk: 'job#check-1',
      jobId: 'check-1',
      lock: null,
      order: example('order-backup'),
    };
    await control.dispatched({ ...check, order: { kind: 'check', engine: 'mysql', flavour: 'mariadb' } });
    expect(await pass()).toEqual({ live: 1, lost: 1, completed: 0, failed: 0 });
  });
});

describe('a host that belongs to a thief', () => {
  let control: MemoryControl;
  const pass = () => reconcileLostJobs(control);
  const rowNow = async () => control.jobs.get(row.pk, row.jobId);
  const write = (changes: object, sk = row.sk) =>
    control.dynamo.tables.get('jobs')!.set(`${row.pk}\u0000${sk}`, { ...row, sk, ...changes });

  beforeEach(async () => {
    control = makeMemoryControl('2026-11-23T01:10:00.000Z');
    await control.dispatched(queued, row, running);
  });

  it('gains nothing by a deadline of its own: the order’s counts', async () => {
    write({ deadline: '2099-01-01T00:00:00.000Z', beatAt: '2026-11-24T01:02:00.000Z' });
    control.moveTo('2026-11-24T01:02:01.000Z');
    expect(await pass()).toMatchObject({ lost: 1 });
    expect(await rowNow()).toMatchObject({ state: 'lost' });
  });

  it('gains nothing by a later time to be claimed', async () => {
    write({ ...queued, claimBy: '2099-01-01T00:00:00.000Z' });
    expect(await pass()).toMatchObject({ lost: 1 });
  });

  it.each(['claimed', 'committing', 'cancelled'] as const)(
    'ends past its deadline as %s, with beats from the future and however fast they change',
    async (state) => {
      write({ state, deadline: '2099-01-01T00:00:00.000Z', beatAt: '2099-01-01T00:00:00.000Z' });
      expect(await pass()).toMatchObject({ live: 1, lost: 0 });
      control.moveTo('2026-11-24T01:15:07.000Z');
      expect(await pass()).toMatchObject({ live: 0, lost: 1 });
      expect(control.told).toMatchObject([{ token: row.token, error: { name: 'Job.Lost' } }]);
      // Brought back to life, it is not looked at any more, and nothing waits for it.
      write({ state, beatAt: '2099-01-01T00:00:00.000Z' });
      expect(await pass()).toEqual({ live: 0, lost: 0, completed: 0, failed: 0 });
      expect(await control.jobs.ofExecution(row.execution, control.now().toISOString())).toEqual([
        { userid: row.pk, jobId: row.jobId, live: false },
      ]);
    },
  );

  it('loses a job whose row it has spoilt, and no other job is kept from being looked at', async () => {
    write({ state: 7, order: { kind: 'x' } });
    expect(await pass()).toEqual({ live: 0, lost: 1, completed: 0, failed: 0 });
    expect(await backupState()).toBe('lost');
    expect(await control.jobs.ofExecution(row.execution, control.now().toISOString())).toMatchObject([
      { live: false },
    ]);
  });
  const backupState = async () => (await control.backups.get('orders', order.backupId))?.state;

  it('cannot have another row of its own ended or cancelled under this one’s name', async () => {
    const other = { ...row, sk: 'job#other', jobId: 'other', execution: 'arn:other', lock: null };
    await control.dispatched({ ...other, order: { kind: 'check', engine: 'mysql', flavour: 'mariadb' } });
    write({ ...queued, jobId: 'other' });
    expect(await pass()).toMatchObject({ lost: 2 });
    expect(await rowNow()).toMatchObject({ jobId: row.jobId, state: 'lost' });
  });

  it('F71 cannot fill the memory of a pass with its manifest', async () => {
    write({ state: 'committing' });
    control.objects.put(order.site.bucket, manifestKey(order), ' '.repeat(5 * 1024 * 1024));
    const objectsOf: MemoryControl['objectsOf'] = (site) => ({
      ...control.objectsOf(site),
      get: () => Promise.reject(new Error('read')),
    });
    expect(await reconcileLostJobs({ ...control, objectsOf })).toMatchObject({ live: 1, failed: 0 });
  });

  it('floods nobody with rows of its making: only what was ordered is looked at', async () => {
    write({}, 'job#made-up');
    const looked: string[] = [];
    const jobs = {
      ...control.jobs,
      look: (userid: string, jobId: string) => {
        looked.push(jobId);
        return control.jobs.look(userid, jobId);
      },
    };
    await reconcileLostJobs({ ...control, jobs });
    expect(looked).toEqual([row.jobId]);
  });
});
