import { describe, expect } from 'vitest';
import { rebuildable } from '../../../journeys/whole-way/reconciling.ts';
import { ask, failed, run, type World } from '../../../journeys/whole-way/world.ts';
import { faultTest } from '../../fault-test.ts';
import { byHand, lookAt } from './look.ts';

export function losingTheCatalog(the: () => World): void {
  const { allIsFree, nextOneWorks, reconcile } = lookAt(the);

  describe('the catalog', () => {
    faultTest(
      ['F49'],
      'that is lost comes back from registry and receipts, equal, and nothing is deleted until somebody agrees',
      async ({ hit, endState }) => {
        const { tables } = the();
        const before = rebuildable(await tables.catalog());
        expect(before.filter(({ sk }) => sk.startsWith('BACKUP#')).length).toBeGreaterThan(3);
        await tables.emptyCatalog();
        if ((await tables.catalog()).length === 0) hit('F49');
        failed(await run(the(), 'backup', byHand), 'Cluster.Unknown', 'shop');
        const rebuilt = await ask(the(), 'rebuild', { v: 1, site: 'home' });
        await endState(async () => {
          expect(rebuilt).toMatchObject({ outcome: 'rebuilt', unreadable: [] });
          expect(rebuildable(await tables.catalog())).toEqual(before);
          await reconcile();
          const off = (await ask(the(), 'retention', {})) as { outcome: string; since: string };
          expect(off).toMatchObject({ outcome: 'off' });
          expect(await ask(the(), 'retention', { confirm: off.since })).toMatchObject({ outcome: 'done' });
          expect(await ask(the(), 'retention', {})).toMatchObject({ outcome: 'done' });
          await allIsFree();
          await nextOneWorks();
        });
      },
    );
  });
}
