import { beforeEach, describe, expect, it } from 'vitest';
import { type MetricCounts, metricNames } from '../../../../functions/env/metric-names.ts';
import { countsOf } from '../../../../functions/reconcile/metrics.ts';
import { makeHandler, type ReconcileDeps } from '../../../../functions/reconcile/reconcile.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

let control: MemoryControl;
let put: { counts: MetricCounts; at: string }[];
const row = example('job');

const pass = (more: Partial<ReconcileDeps> = {}) =>
  makeHandler({
    ...control,
    getPolicy: async () => example('policy'),
    putMetrics: async (counts, at) => void put.push({ counts, at: at.toISOString() }),
    ...more,
  })({});

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T01:10:00.000Z');
  put = [];
  const { ordered: _, ...cluster } = example('cluster');
  await control.clusters.restore(cluster);
});

describe('one pass of Reconcile', () => {
  it('over a quiet fleet finds nothing and says so', async () => {
    expect(await pass()).toMatchObject({ outcome: 'reconciled', unclaimed: [] });
    expect(put).toHaveLength(1);
    expect(put[0]).toMatchObject({
      at: '2026-11-23T01:10:00.000Z',
      counts: { passes: 1, clusters: 1, clustersWatched: 1, liveJobs: 0, dutiesFailed: 0 },
    });
  });

  it('makes way for the next attempt in one go: job lost, execution closed, lock free (F11, F12)', async () => {
    await control.dispatched(row);
    await control.slots.open('orders', '20261123T0100Z', '2026-11-23T01:00:05.000Z');
    control.status.set(row.execution, { status: 'failed', error: 'Job.Lost', cause: 'the runner is gone' });
    expect(await pass()).toMatchObject({ counts: { jobsLost: 1, holdersFreed: 1 } });
    expect(await control.locks.list()).toEqual([]);
    expect(await control.slots.get('orders', '20261123T0100Z')).toMatchObject({ state: 'failed' });
    control.moveTo('2026-11-23T01:21:00.000Z');
    expect(await pass()).toMatchObject({ counts: { attemptsStarted: 1 } });
    expect(control.started.map((s) => s.name)).toEqual(['orders-20261123T0100Z-2']);
  });

  it('a duty that breaks does not stop the others, is counted, and fails the pass by name', async () => {
    await control.dispatched(row);
    const locks = {
      ...control.locks,
      list: async () => {
        throw new Error('throttled');
      },
    };
    await expect(pass({ locks })).rejects.toMatchObject({
      name: 'Reconcile.Incomplete',
      message: expect.stringContaining('closed executions: Holdfast.Unexpected: Error: throttled'),
    });
    expect(put[0]!.counts).toMatchObject({ jobsLost: 1, dutiesFailed: 1 });
  });

  it('one cluster that cannot be looked at is counted, the pass goes on', async () => {
    const folders = () => {
      throw new Error('no such bucket');
    };
    // Once for the cluster, once for the names of its site.
    expect(await pass({ folders })).toMatchObject({ counts: { dutiesFailed: 2 } });
  });
});

describe('coverage, where it cannot be judged', () => {
  it('leaves its counts out, which their alarms take for trouble, and fails the pass', async () => {
    const getPolicy = async () => {
      throw new Error('throttled');
    };
    await expect(pass({ getPolicy })).rejects.toMatchObject({
      message: expect.stringContaining('coverage: Holdfast.Unexpected: Error: throttled'),
    });
    const taken = Object.entries(put[0]!.counts).filter(([, count]) => count !== undefined);
    expect(taken.map(([name]) => name).filter((name) => /^clusters./.test(name))).toEqual([]);
    expect(put[0]!.counts).toMatchObject({ passes: 1, clusters: 1, liveJobs: 0 });
  });
});

describe('the counts of a pass', () => {
  it('show a failed duty as such, never as a quiet zero', () => {
    const counts = countsOf({
      clusters: undefined,
      lostJobs: undefined,
      closedExecutions: { held: 2, freed: 1, failed: 0 },
      unrecorded: { adopted: 1, failed: 3 },
      retries: undefined,
      strays: { tombstoned: 2, failed: 1 },
      foreign: { names: ['d'], failed: 0 },
      coverage: undefined,
      logs: undefined,
    });
    expect(counts).toMatchObject({
      passes: 1,
      dutiesFailed: 9,
      heldLocks: 2,
      holdersFreed: 1,
      backupsAdopted: 1,
    });
    const taken = Object.entries(counts).filter(([, count]) => count !== undefined);
    expect(taken.map(([name]) => name)).not.toContain('clustersOverdue');
    expect(taken.map(([name]) => name)).not.toContain('jobsLost');
    expect(Object.keys(counts).sort()).toEqual(Object.keys(metricNames).sort());
  });

  it('fit into one call of CloudWatch', () => {
    expect(Object.keys(metricNames).length).toBeLessThan(1000);
  });
});
