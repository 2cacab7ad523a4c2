import { beforeEach, describe, expect, it } from 'vitest';
import { makeHandler } from '../../../../functions/fleet/due.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { makeMemoryObjects } from '../../../doubles/memory-objects.ts';
import { aCluster, aPolicy } from '../../../doubles/records.ts';

let catalog: ReturnType<typeof makeMemoryCatalog>;
let scratch: ReturnType<typeof makeMemoryObjects>;
let now: string;
let nonces: number;

beforeEach(() => {
  catalog = makeMemoryCatalog();
  scratch = makeMemoryObjects('scratch');
  now = '2026-11-23T01:05:00.000Z';
  nonces = 0;
});

const due = (input: unknown) =>
  makeHandler({
    ...catalog,
    scratch,
    getPolicy: async (name) => (name === 'nightly' ? aPolicy() : undefined),
    now: () => new Date(now),
    nonce: () => `n${nonces++}`,
  })({ input });

const put = (clusterId: string, change: Parameters<typeof aCluster>[0] = {}) =>
  catalog.clusters.put(aCluster({ clusterId, ...change }), undefined);

const lines = async (key: string) =>
  Buffer.from((await scratch.get(key))?.body ?? [])
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe('finding the clusters that are due', () => {
  it('opens attempt 1 of the newest slot for every cluster of the policy and lists their executions', async () => {
    await put('orders');
    await put('shop');
    const answer = await due({ v: 1, policy: 'nightly' });
    expect(answer).toEqual({
      outcome: 'due',
      bucket: 'scratch',
      key: 'due/nightly/20261123T0100Z-n0.jsonl',
      count: 2,
      slot: '20261123T0100Z',
    });
    expect(await lines('due/nightly/20261123T0100Z-n0.jsonl')).toEqual(
      ['orders', 'shop'].map((clusterId) => ({
        name: `${clusterId}-20261123T0100Z-1`,
        input: { v: 1, clusterId, slot: '20261123T0100Z', attempt: 1, reason: 'schedule' },
      })),
    );
    expect((await catalog.slots.get('shop', '20261123T0100Z'))?.state).toBe('open');
  });

  it('F45, F52: names the same attempts when it is called twice', async () => {
    await put('orders');
    await due({ v: 1, policy: 'nightly' });
    await due({ v: 1, policy: 'nightly' });
    expect(await lines('due/nightly/20261123T0100Z-n1.jsonl')).toEqual(
      await lines('due/nightly/20261123T0100Z-n0.jsonl'),
    );
  });

  it('leaves out clusters of other policies, paused, retired and unregistered ones, and done or failed slots', async () => {
    await put('other', { policy: 'weekly' });
    await put('paused', { paused: { until: '2026-12-01T00:00:00.000Z', reason: 'repair' } });
    await put('retired', { retired: true });
    await catalog.clusters.put({ ...aCluster({ clusterId: 'new' }), state: 'checking' }, undefined);
    await put('done');
    await catalog.slots.recordBackup('done', '20261123T0100Z', 1, 'b-1', now);
    await put('failed');
    await catalog.slots.open('failed', '20261123T0100Z', now);
    await catalog.slots.fail('failed', '20261123T0100Z', 1, { name: 'Job.Lost', cause: '' }, now);
    expect(await due({ v: 1, policy: 'nightly' })).toMatchObject({ outcome: 'nothing-due' });
    await put('resumed', { paused: { until: '2026-11-23T01:00:00.000Z', reason: 'repair' } });
    expect(await due({ v: 1, policy: 'nightly' })).toMatchObject({ outcome: 'due', count: 1 });
  });

  it('F46, F47: drops a slot whose window is over, and says so', async () => {
    await put('orders');
    now = '2026-11-23T02:01:00.000Z';
    expect(await due({ v: 1, policy: 'nightly' })).toEqual({
      outcome: 'nothing-due',
      slot: '20261123T0100Z',
      reason: 'slot 20261123T0100Z is 61 minutes old, its window has 60',
    });
    expect(await catalog.slots.get('orders', '20261123T0100Z')).toBeUndefined();
  });

  it('takes a slot that is named by hand whatever its age, but only one that the policy plans', async () => {
    await put('orders');
    now = '2026-11-25T12:00:00.000Z';
    expect(await due({ v: 1, policy: 'nightly', slot: '20261123T0100Z' })).toMatchObject({ outcome: 'due' });
    expect(await due({ v: 1, policy: 'nightly', slot: '20261123T0101Z' })).toMatchObject({
      outcome: 'refused',
      error: {
        name: 'Input.Invalid',
        cause: expect.stringMatching(
          /^slot: 20261123T0101Z is not a past slot.*newest one is 20261125T0100Z$/,
        ),
      },
    });
    expect(await due({ v: 1, policy: 'nightly', slot: '20261126T0100Z' })).toMatchObject({
      outcome: 'refused',
    });
  });

  it('refuses an unknown policy and an input that does not fit, naming the field', async () => {
    expect(await due({ v: 1, policy: 'weekly' })).toEqual({
      outcome: 'refused',
      error: { name: 'Policy.Unknown', cause: 'policy: weekly is not deployed' },
    });
    expect(await due({ v: 1, policy: 'Nightly!' })).toEqual({
      outcome: 'refused',
      error: {
        name: 'Input.Invalid',
        cause: 'policy is "Nightly!": must match ^[a-z0-9-]{1,40}$',
      },
    });
  });
});
