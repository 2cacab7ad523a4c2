import { beforeEach, describe, expect, it } from 'vitest';
import { makeHandler as makeCancelClosed } from '../../../../functions/reconcile/cancel-closed.ts';
import {
  decideHolder,
  holdingsOf,
  reconcileClosedExecutions,
} from '../../../../functions/reconcile/closed-executions.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

const row = example('job');
const { execution } = row;
const other = `${execution}-other`;
const closed = { status: 'failed', error: 'Job.Lost', cause: 'gone' } as const;
const at = '2026-11-23T01:00:00.000Z';

let control: MemoryControl;
const pass = () => reconcileClosedExecutions(control);

async function holdAll(holder: string) {
  await control.locks.take('cluster:orders', holder, at);
  await control.leases.take(holder, [
    { name: 'fleet', cap: 10 },
    { name: 'site:frankfurt', cap: 10 },
  ]);
  await control.pins.put({
    v: 1,
    clusterId: 'orders',
    backupId: 'b1',
    execution: holder,
    since: at,
    until: at,
  });
}
const held = async () => ({
  locks: (await control.locks.list()).map((lock) => lock.name),
  caps: (await control.leases.list()).filter((cap) => cap.holders.length > 0).map((cap) => cap.name),
  pins: (await control.pins.list()).length,
});

beforeEach(() => {
  control = makeMemoryControl('2026-11-23T02:00:00.000Z');
});

describe('what an execution holds', () => {
  it('is gathered by its holder', () => {
    const pin = { v: 1 as const, clusterId: 'orders', backupId: 'b1', execution: 'e2', since: at, until: at };
    expect(
      holdingsOf(
        [{ v: 1, name: 'cluster:orders', holder: 'e1', since: at }],
        [{ name: 'fleet', holders: ['e1', 'e2'] }],
        [pin],
      ),
    ).toEqual([
      { execution: 'e1', locks: ['cluster:orders'], caps: ['fleet'], pins: [], since: at },
      { execution: 'e2', locks: [], caps: ['fleet'], pins: [pin], since: at },
    ]);
  });

  it('is kept while it runs, or while one of its jobs lives', () => {
    const decide = (status: Parameters<typeof decideHolder>[0], jobs: { live: boolean }[] = []) =>
      decideHolder(status, jobs, at, new Date('2026-11-23T02:00:00.000Z'));
    expect(decide('open')).toBe('keep');
    expect(decide('failed', [{ live: true }])).toBe('cancel-jobs');
    expect(decide('failed', [{ live: false }])).toBe('free');
    expect(decide('succeeded')).toBe('free');
    expect(decide('unknown')).toBe('free');
  });

  it('is kept while the execution may be too new to be known (F51)', () => {
    const decide = (time: string) => decideHolder('unknown', [], at, new Date(`2026-11-23T${time}.000Z`));
    expect(decide('01:09:59')).toBe('keep');
    expect(decide('01:10:00')).toBe('free');
  });

  it('is freed once it has closed: lock, caps and pins', async () => {
    await holdAll(execution);
    control.status.set(execution, closed);
    expect(await pass()).toEqual({ held: 1, freed: 1, failed: 0 });
    expect(await held()).toEqual({ locks: [], caps: [], pins: 0 });
  });

  it('is left to others: what belongs to a running execution stays', async () => {
    await holdAll(other);
    await control.leases.take(execution, [{ name: 'fleet', cap: 10 }]);
    control.status.set(other, { status: 'open' });
    control.status.set(execution, closed);
    await pass();
    expect(await held()).toEqual({ locks: ['cluster:orders'], caps: ['fleet', 'site:frankfurt'], pins: 1 });
    expect((await control.leases.list())[0]?.holders).toEqual([other]);
  });

  it('is kept while a job of the closed execution lives, and the job is cancelled', async () => {
    await control.dispatched(row);
    control.status.set(execution, closed);
    expect(await pass()).toMatchObject({ freed: 0 });
    expect(await control.jobs.get(row.pk, row.jobId)).toMatchObject({ state: 'cancelled', live: 'yes' });
    expect((await held()).locks).toEqual(['cluster:orders']);
  });

  it.each([{ beatAt: '2099-01-01T00:00:00.000Z' }, { state: 7, order: 'spoilt' }])(
    'is freed past the deadline, whatever the host of its job writes into the row: %j',
    async (changes) => {
      await control.dispatched(row, changes as object);
      control.status.set(execution, closed);
      expect(await pass()).toMatchObject({ freed: 0, failed: 0 });
      control.moveTo('2026-11-24T01:15:07.000Z');
      expect(await pass()).toMatchObject({ freed: 1, failed: 0 });
      expect((await held()).locks).toEqual([]);
    },
  );

  it('a committing job is left to write its manifest', async () => {
    await control.dispatched(row, { state: 'committing' });
    control.status.set(execution, closed);
    await pass();
    expect(await control.jobs.get(row.pk, row.jobId)).toMatchObject({ state: 'committing', live: 'yes' });
  });

  it('a running restore’s pin is renewed before half of its time is over (F64)', async () => {
    await holdAll(execution);
    control.status.set(execution, { status: 'open' });
    await pass();
    expect((await control.pins.list())[0]?.until).toBe('2026-11-24T02:00:00.000Z');
    control.moveTo('2026-11-23T10:00:00.000Z');
    await pass();
    expect((await control.pins.list())[0]?.until).toBe('2026-11-24T02:00:00.000Z');
  });

  it('one execution that cannot be looked up does not keep the others from being freed', async () => {
    await holdAll(execution);
    await control.locks.take('cluster:payroll', other, at);
    const executions = {
      describe: async (arn: string) => {
        if (arn === other) throw new Error('throttled');
        return closed;
      },
    };
    expect(await reconcileClosedExecutions({ ...control, executions })).toEqual({
      held: 2,
      freed: 1,
      failed: 1,
    });
    expect((await held()).locks).toEqual(['cluster:payroll']);
  });
});

describe('cancel-closed', () => {
  const event = (status: string) => ({
    source: 'aws.states',
    'detail-type': 'Step Functions Execution Status Change',
    detail: { executionArn: execution, status, name: 'n' },
  });

  it.each(['FAILED', 'TIMED_OUT', 'ABORTED'])(
    'tells the live jobs of an execution that is %s to stop',
    async (status) => {
      await control.dispatched(row);
      expect(await makeCancelClosed(control)(event(status))).toEqual({
        outcome: 'cancelled',
        stillLive: [row.jobId],
      });
      expect(await control.jobs.get(row.pk, row.jobId)).toMatchObject({ state: 'cancelled', live: 'yes' });
    },
  );

  it('ends a job that nobody has claimed, so that a late command finds nothing to run', async () => {
    await control.dispatched(row, { state: 'queued' });
    expect(await makeCancelClosed(control)(event('ABORTED'))).toEqual({
      outcome: 'cancelled',
      stillLive: [],
    });
    expect(await control.jobs.get(row.pk, row.jobId)).not.toHaveProperty('live');
  });

  it('leaves jobs of other executions and ended jobs alone, however often it is told', async () => {
    const { live: _, ...ended } = row;
    await control.dispatched(row, { ...ended, state: 'succeeded' });
    control.dynamo.tables.get('jobs')!.set(`${row.pk}\u0000${row.sk}`, { ...ended, state: 'succeeded' });
    await control.dispatched({ ...row, sk: 'job#other', jobId: 'other', execution: other, lock: null });
    for (let i = 0; i < 2; i++) await makeCancelClosed(control)(event('FAILED'));
    expect(await control.jobs.get(row.pk, row.jobId)).toMatchObject({ state: 'succeeded' });
    expect(await control.jobs.get(row.pk, 'other')).toMatchObject({ state: 'claimed' });
  });

  it('is not meant for executions that succeeded', async () => {
    await expect(makeCancelClosed(control)(event('SUCCEEDED'))).rejects.toMatchObject({
      name: 'Input.Invalid',
    });
  });
});
