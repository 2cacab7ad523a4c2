import { describe, expect, it } from 'vitest';
import type { Item } from './tables.ts';
import { ask, failed, run, type World } from './world.ts';

const byHand = { v: 1, clusterId: 'shop', reason: 'by hand' };

/** What a rebuilt catalog must have again: all but locks, caps, pins, orders, slots, and backups without a manifest. */
export function rebuildable(items: readonly Item[]): Item[] {
  return items
    .filter(
      ({ pk, sk, state }) =>
        pk === 'FLEET' ||
        (sk.startsWith('BACKUP#') && state !== 'failed' && state !== 'lost' && state !== 'running'),
    )
    .sort((a, b) => (a.pk + a.sk < b.pk + b.sk ? -1 : 1));
}

export function reconciling(the: () => World): void {
  describe('what Rebuild brings back', () => {
    it('gives the same catalog again from registry and receipts when all of it is lost (F49)', async () => {
      const { tables } = the();
      const before = rebuildable(await tables.catalog());
      expect(before.filter(({ pk }) => pk === 'FLEET')).toHaveLength(5);
      expect(before.filter(({ sk }) => sk.startsWith('BACKUP#')).length).toBeGreaterThan(4);
      await tables.emptyCatalog();
      failed(await run(the(), 'backup', byHand), 'Cluster.Unknown', 'shop');
      expect(await ask(the(), 'rebuild', { v: 1, site: 'home' })).toMatchObject({
        outcome: 'rebuilt',
        unreadable: [],
      });
      expect(rebuildable(await tables.catalog())).toEqual(before);
    });
  });
}
