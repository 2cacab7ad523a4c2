import { describe, expect, it } from 'vitest';
import type { Catalog } from '../../functions/catalog/catalog.ts';
import type { Tombstone } from '../../functions/catalog/tombstone.ts';
import { aBackup, aJobRow, anOrder, aRunningBackup } from './records.ts';

const at = (hour: number) => new Date(Date.UTC(2026, 10, 23, hour)).toISOString();

/** What every catalog does with tombstones and with what stands around them; part of `describeCatalog`. */
export function describeTombstones(the: () => Catalog) {
  describe('and its tombstones', () => {
    const of = (clusterId: string, backupId: string): Tombstone => ({
      v: 1,
      clusterId,
      backupId,
      jobId: 'job-1',
      site: aRunningBackup().site,
      since: at(1),
      notBefore: at(2),
    });

    it('sets one once, and it keeps the time of its first look', async () => {
      const { tombstones } = the();
      const first = of('stone-a', 'b-1');
      expect(await tombstones.put(first)).toBe(true);
      expect(await tombstones.put({ ...first, since: at(9), notBefore: at(9) })).toBe(false);
      await tombstones.put(of('stone-a', 'b-2'));
      await tombstones.put(of('stone-ab', 'b-1'));
      expect(await tombstones.of('stone-a')).toEqual([first, of('stone-a', 'b-2')]);
      expect((await tombstones.list()).filter((t) => t.clusterId.startsWith('stone-a'))).toHaveLength(3);
    });

    it('moves the next look, and one that is gone does not come back by that', async () => {
      const { tombstones } = the();
      const stone = of('stone-b', 'b-1');
      await tombstones.put(stone);
      await tombstones.postpone(stone, at(7));
      expect(await tombstones.of('stone-b')).toEqual([{ ...stone, notBefore: at(7) }]);
      await tombstones.remove(stone);
      await tombstones.remove(stone);
      await tombstones.postpone(stone, at(8));
      expect(await tombstones.of('stone-b')).toEqual([]);
    });

    it('notes that nothing is left only of an attempt that ended without a manifest', async () => {
      const { backups, jobs } = the();
      const attempt = async (backupId: string) => {
        const [jobId, execution] = [`job-${backupId}`, `arn:${backupId}`];
        const order = anOrder({ clusterId: 'stone-c', backupId });
        const job = aJobRow('AROA:stone', jobId, { execution, order, clusterId: 'stone-c' });
        const running = aRunningBackup({ clusterId: 'stone-c', backupId, jobId, execution });
        await jobs.dispatch(job, 'AROA:stone', running);
        return running;
      };
      const running = await attempt('b-running');
      expect(await backups.cleared('stone-c', 'b-running', at(5))).toBe(false);
      expect(await backups.get('stone-c', 'b-running')).toEqual(running);

      await attempt('b-lost');
      await backups.end('stone-c', 'b-lost', 'lost', { name: 'Job.Lost', cause: '' });
      expect(await backups.cleared('stone-c', 'b-lost', at(5))).toBe(true);
      expect(await backups.get('stone-c', 'b-lost')).toMatchObject({ state: 'lost', clearedAt: at(5) });

      const backup = aBackup({ clusterId: 'stone-c', backupId: 'b-verified' });
      const { backupId, clusterId } = backup;
      await backups.apply({
        v: 1,
        fact: 'verified',
        clusterId,
        backupId,
        at: at(3),
        by: 'arn:e1',
        reasons: [],
        backup,
      });
      expect(await backups.cleared(clusterId, backupId, at(5))).toBe(false);
      expect(await backups.cleared(clusterId, 'b-never', at(5))).toBe(false);
      expect(await backups.get(clusterId, 'b-never')).toBeUndefined();
    });

    it('is off from its first reason on, until somebody names the time of that', async () => {
      const { retentionSwitch } = the();
      expect(await retentionSwitch.get()).toBeUndefined();
      await retentionSwitch.turnOff(at(1), 'rebuilt');
      await retentionSwitch.turnOff(at(2), 'rebuilt again');
      expect(await retentionSwitch.get()).toEqual({ v: 1, since: at(1), why: 'rebuilt' });
      expect(await retentionSwitch.turnOn(at(2))).toBe(false);
      expect(await retentionSwitch.turnOn(at(1))).toBe(true);
      expect(await retentionSwitch.turnOn(at(1))).toBe(false);
      expect(await retentionSwitch.get()).toBeUndefined();
    });
  });
}
