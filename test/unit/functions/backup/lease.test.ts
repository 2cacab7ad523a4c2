import { describe, expect, it } from 'vitest';
import { conflictSeconds, makeHandler, pauseSeconds } from '../../../../functions/backup/lease.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';

const leases = [
  { name: 'fleet', cap: 5 },
  { name: 'physical-host:a', cap: 1 },
];
const waitUntil = '2026-11-23T02:00:00.000Z';

const lease = (catalog: ReturnType<typeof makeMemoryCatalog>, now: string) =>
  makeHandler({ ...catalog, now: () => new Date(now), random: () => 0.5, sleep: async () => {} });

describe('taking the leases', () => {
  it('takes all, again and again for the same execution', async () => {
    const handler = lease(makeMemoryCatalog(), '2026-11-23T01:05:00.000Z');
    const event = { execution: 'arn:e1', leases, waitUntil };
    expect(await handler(event)).toEqual({ outcome: 'taken' });
    expect(await handler(event)).toEqual({ outcome: 'taken' });
  });

  it('waits with jitter while the window lasts, at most to its end, then is full', async () => {
    const catalog = makeMemoryCatalog();
    await catalog.leases.take('arn:e1', leases);
    const event = { execution: 'arn:e2', leases, waitUntil };
    expect(await lease(catalog, '2026-11-23T01:05:00.000Z')(event)).toEqual({ outcome: 'wait', seconds: 60 });
    expect(await lease(catalog, '2026-11-23T01:59:50.000Z')(event)).toEqual({ outcome: 'wait', seconds: 10 });
    expect(await lease(catalog, waitUntil)(event)).toEqual({
      outcome: 'full',
      error: {
        name: 'Capacity.Full',
        cause: `no room within the window, which ended ${waitUntil}: physical-host:a (1 at once)`,
      },
    });
    expect(await catalog.leases.heldBy('arn:e2')).toEqual([]);
  });

  it.each([
    { conflicts: 3, becomes: { outcome: 'taken' }, slept: [3, 3, 3] },
    { conflicts: 100, becomes: { outcome: 'wait', seconds: 60 }, slept: [3, 3, 3, 3, 3] },
  ])(
    'F56: tries soon again after $conflicts conflicts, without a turn of the machine for each',
    async ({ conflicts, becomes, slept }) => {
      const pauses: number[] = [];
      const take = async () =>
        conflicts-- > 0 ? { outcome: 'conflict' as const } : { outcome: 'taken' as const };
      const handler = makeHandler({
        leases: { take },
        now: () => new Date('2026-11-23T01:05:00.000Z'),
        random: () => 0.5,
        sleep: async (ms) => void pauses.push(ms / 1000),
      });
      expect(await handler({ execution: 'arn:e1', leases, waitUntil })).toEqual(becomes);
      expect(pauses).toEqual(slept);
    },
  );

  it('F56: pauses 45 to 75 seconds, 1 to 5 after a conflict', () => {
    const [least, most] = [() => 0, () => 0.999999];
    expect([pauseSeconds(least), pauseSeconds(most)]).toEqual([45, 75]);
    expect([conflictSeconds(least), conflictSeconds(most)]).toEqual([1, 5]);
  });
});
