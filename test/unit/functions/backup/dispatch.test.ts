import { beforeEach, describe, expect, it } from 'vitest';
import { makeHandler } from '../../../../functions/backup/dispatch.ts';
import { makeOrderJob } from '../../../../functions/backup/order-job.ts';
import type { Launch } from '../../../../functions/clients/launcher.ts';
import type { Tasks } from '../../../../functions/clients/tasks.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { aHost, anOrder } from '../../../doubles/records.ts';

const order = anOrder();
const hostId = order.member.hostId;
const userid = `AROAEXAMPLE:${hostId}`;
const event = {
  token: 'token-1',
  execution: 'arn:e1',
  lock: 'cluster:orders',
  clusterId: 'orders',
  jobId: 'job-1',
  hostId,
  order,
  deadlineSeconds: 86_400,
};
const now = '2026-11-23T01:05:00.000Z';

let catalog: ReturnType<typeof makeMemoryCatalog>;
let told: unknown[];
let launches: string[];
let launch: Launch;

const tasks: Tasks = {
  succeed: async (token, output) => {
    told.push({ token, output });
    return { outcome: 'told' };
  },
  fail: async (token, error) => {
    told.push({ token, error });
    return { outcome: 'told' };
  },
};

beforeEach(async () => {
  catalog = makeMemoryCatalog();
  told = [];
  launches = [];
  launch = async (host) => {
    launches.push(`${host.jobId} on ${host.hostId} in ${host.account}/${host.region}`);
    return { outcome: 'launched' };
  };
  await catalog.hosts.put(aHost(hostId), undefined);
  await catalog.locks.take('cluster:orders', 'arn:e1', now);
  await catalog.slots.open('orders', order.slot ?? '', now);
});

const dispatch = (change: Partial<typeof event> = {}) =>
  makeHandler({
    ...catalog,
    tasks,
    orderJob: makeOrderJob({ ...catalog, launch: (host) => launch(host), now: () => new Date(now) }),
  })({ ...event, ...change });

describe('dispatching a job', () => {
  it('writes row, order and running backup, then launches the runner, and answers nothing', async () => {
    expect(await dispatch()).toEqual({ outcome: 'launched' });
    expect(launches).toEqual([`job-1 on ${hostId} in 111122223333/eu-central-1`]);
    expect(told).toEqual([]);
    expect(await catalog.jobs.get(userid, 'job-1')).toMatchObject({
      pk: userid,
      state: 'queued',
      live: 'yes',
      token: 'token-1',
      claimBy: '2026-11-23T01:10:00.000Z',
      deadline: '2026-11-24T01:05:00.000Z',
    });
    expect(await catalog.backups.get('orders', order.backupId)).toMatchObject({
      state: 'running',
      attempt: 1,
      jobId: 'job-1',
      chain: order.plan.chain,
      timeline: order.plan.timeline,
    });
  });

  it('notes the attempt that the slot has open', async () => {
    const slot = order.slot ?? '';
    await catalog.slots.fail('orders', slot, 1, { name: 'Job.Lost', cause: '' }, now);
    await catalog.slots.openNext('orders', slot, 1, now);
    await dispatch();
    expect((await catalog.backups.get('orders', order.backupId))?.attempt).toBe(2);
  });

  it('F42: only renews the token and sends the command again when it is called again', async () => {
    await dispatch();
    expect(await dispatch({ token: 'token-2' })).toEqual({ outcome: 'launched' });
    expect((await catalog.jobs.get(userid, 'job-1'))?.token).toBe('token-2');
    expect(launches).toHaveLength(2);
    expect(told).toEqual([]);
  });

  it('tells the new token how a job ended that had ended before', async () => {
    await dispatch();
    const row = await catalog.jobs.get(userid, 'job-1');
    await catalog.jobs.endFor(userid, row!, 'succeeded', now, { result: { bytes: 7 } });
    expect(await dispatch({ token: 'token-2' })).toEqual({ outcome: 'answered' });
    expect(told).toEqual([{ token: 'token-2', output: { bytes: 7 } }]);
    expect(launches).toHaveLength(1);
  });

  it.each([
    ['failed', { error: { name: 'Backup.ToolFailed', cause: 'exit 1' } }, 'Backup.ToolFailed'],
    ['lost', {}, 'Job.Lost'],
    ['cancelled', {}, 'Job.Cancelled'],
  ] as const)('tells the new token that a job is %s', async (state, what, name) => {
    await dispatch();
    const row = await catalog.jobs.get(userid, 'job-1');
    await catalog.jobs.endFor(userid, row!, state, now, what);
    await dispatch({ token: 'token-2' });
    expect(told).toMatchObject([{ token: 'token-2', error: { name } }]);
  });

  it('F41: says by the token that the launch failed for good, and ends the job', async () => {
    launch = async () => ({ outcome: 'failed', cause: `host ${hostId} could not be sent its command` });
    expect(await dispatch()).toEqual({ outcome: 'answered' });
    expect(told).toMatchObject([
      { token: 'token-1', error: { name: 'Launch.Failed', cause: expect.stringContaining(hostId) } },
    ]);
    const row = await catalog.jobs.get(userid, 'job-1');
    expect(row).toMatchObject({ state: 'failed', error: { name: 'Launch.Failed' } });
    expect(row?.live).toBeUndefined();
  });

  it('leaves a job alone that was claimed although the command seemed to fail', async () => {
    await dispatch();
    const row = await catalog.jobs.get(userid, 'job-1');
    const claimed = { ...row!, state: 'claimed' as const };
    launch = async () => ({ outcome: 'failed', cause: 'throttled' });
    const renewed = async () => ({ outcome: 'renewed' as const, row: claimed });
    const handler = makeHandler({
      ...catalog,
      tasks,
      orderJob: makeOrderJob({
        jobs: { ...catalog.jobs, dispatch: renewed },
        launch: (host) => launch(host),
        now: () => new Date(now),
      }),
    });
    expect(await handler(event)).toEqual({ outcome: 'launched' });
    expect(told).toEqual([]);
  });

  it('orders nothing when the lock is no longer its execution’s', async () => {
    await catalog.locks.release('cluster:orders', 'arn:e1');
    await catalog.locks.take('cluster:orders', 'arn:e2', now);
    expect(await dispatch()).toEqual({ outcome: 'answered' });
    expect(told).toMatchObject([
      { error: { name: 'Job.NotLive', cause: expect.stringContaining('held by arn:e2') } },
    ]);
    expect(launches).toEqual([]);
    expect(await catalog.jobs.get(userid, 'job-1')).toBeUndefined();
  });

  it('says by the token that a host is not registered, and that a table broke', async () => {
    await dispatch({ hostId: 'i-nobody' });
    const broken = async () => {
      throw new Error('the table does not answer');
    };
    const handler = makeHandler({
      ...catalog,
      tasks,
      orderJob: makeOrderJob({
        jobs: { ...catalog.jobs, dispatch: broken },
        launch,
        now: () => new Date(now),
      }),
    });
    await handler(event);
    expect(told).toMatchObject([
      { error: { name: 'Host.Unknown', cause: 'hostId: i-nobody is not registered; register it first' } },
      { error: { name: 'Holdfast.Unexpected', cause: 'Error: the table does not answer' } },
    ]);
  });

  it('throws for an event that is not one, since there is no token to answer', async () => {
    await expect(dispatch({ token: '' })).rejects.toMatchObject({ name: 'Input.Invalid' });
  });
});
