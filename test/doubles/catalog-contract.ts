import { beforeAll, describe, expect, it } from 'vitest';
import type { Receipt } from '../../contract/formats/receipt.ts';
import { committingSeconds } from '../../contract/records/job.ts';
import type { Catalog } from '../../functions/catalog/catalog.ts';
import { clusterLock } from '../../functions/catalog/lock.ts';
import { aBackup, aCluster, aCoverage, aHost, aJobRow, anOrder, aRunningBackup } from './records.ts';
import { describeTombstones } from './tombstone-contract.ts';

const at = (second: number) => new Date(Date.UTC(2026, 10, 23, 1, 0, second)).toISOString();

/** What every catalog does, the one over the tables and the one in memory. `open` gives an empty one. */
export function describeCatalog(name: string, open: () => Promise<Catalog>) {
  describe(`the catalog ${name}`, () => {
    let catalog: Catalog;
    let counter = 0;
    const fresh = (word: string) => `${word}-${counter++}`;

    beforeAll(async () => {
      catalog = await open();
    });

    describeTombstones(() => catalog);

    it('puts a cluster only over the version that was read', async () => {
      const clusterId = fresh('c');
      const first = aCluster({ clusterId });
      expect(await catalog.clusters.put(first, undefined)).toBe(true);
      expect(await catalog.clusters.put(first, undefined)).toBe(false);
      const second = { ...first, registeredAt: at(1) };
      expect(await catalog.clusters.put(second, first)).toBe(true);
      expect(await catalog.clusters.put({ ...first, registeredAt: at(2) }, first)).toBe(false);
      expect(await catalog.clusters.get(clusterId)).toEqual(second);
      expect((await catalog.clusters.list()).map((c) => c.document.clusterId)).toContain(clusterId);
      expect(await catalog.clusters.get('nobody')).toBeUndefined();
    });

    it('keeps one order at a time, and takes back only the one that was read', async () => {
      const clusterId = fresh('c');
      await catalog.clusters.put(aCluster({ clusterId }), undefined);
      const ordered = { level: 'full' as const, reason: 'by hand', at: at(3) };
      expect(await catalog.clusters.order(clusterId, ordered)).toBe(true);
      expect(await catalog.clusters.order('nobody', ordered)).toBe(false);
      expect(await catalog.clusters.order(clusterId, { ...ordered, at: at(4) })).toBe(false);
      expect(await catalog.clusters.clearOrder(clusterId, at(2))).toBe(false);
      expect((await catalog.clusters.get(clusterId))?.ordered).toEqual(ordered);
      expect(await catalog.clusters.clearOrder(clusterId, at(3))).toBe(true);
      expect((await catalog.clusters.get(clusterId))?.ordered).toBeUndefined();
    });

    it('does not put a cluster over an order that came after it was read', async () => {
      const clusterId = fresh('c');
      const read = aCluster({ clusterId });
      await catalog.clusters.put(read, undefined);
      const ordered = { level: 'full' as const, reason: 'by hand', at: at(3) };
      await catalog.clusters.order(clusterId, ordered);
      const changed = { ...read, registeredAt: at(4) };
      expect(await catalog.clusters.put(changed, read)).toBe(false);
      expect(await catalog.clusters.put({ ...changed, ordered }, { ...read, ordered })).toBe(true);
      expect((await catalog.clusters.get(clusterId))?.ordered).toEqual(ordered);
    });

    it('keeps what was last seen of each cluster', async () => {
      const clusterId = fresh('c');
      const record = aCoverage({ clusterId });
      await catalog.coverages.put(record);
      await catalog.coverages.put({ ...record, counted: null });
      const mine = (await catalog.coverages.list()).filter((c) => c.clusterId === clusterId);
      expect(mine).toEqual([{ ...record, counted: null }]);
    });

    it('lets one pass alone begin, tell and clear a breach of a cluster and kind', async () => {
      const breach = { clusterId: fresh('c'), kind: 'overdue' as const };
      const noted = async () =>
        (await catalog.breaches.list()).filter((b) => b.clusterId === breach.clusterId);
      expect(await Promise.all([1, 2].map((n) => catalog.breaches.begin(breach, at(n))))).toContain(false);
      const [begun] = await noted();
      if (begun === undefined) throw new Error('the breach was not noted');
      expect(begun).toMatchObject({ ...breach, state: 'beginning', claimedAt: begun.since });
      expect(await catalog.breaches.begin({ ...breach, kind: 'lost' }, at(3))).toBe(true);
      expect(await catalog.breaches.clear(begun, at(4), 'over')).toBe(false);

      expect(await catalog.breaches.claim(begun, at(5))).toBe(true);
      expect(await catalog.breaches.claim(begun, at(6))).toBe(false);
      await catalog.breaches.told(begun);
      await catalog.breaches.told(begun);
      const open = { ...begun, claimedAt: at(5), state: 'open' as const };
      expect(await noted()).toContainEqual(open);

      expect(await catalog.breaches.clear(open, at(7), 'backed up')).toBe(true);
      expect(await catalog.breaches.clear(open, at(8), 'backed up')).toBe(false);
      const clearing = { ...open, state: 'clearing' as const, claimedAt: at(7), clearedAt: at(7) };
      expect(await noted()).toContainEqual({ ...clearing, why: 'backed up' });
      await catalog.breaches.told(open);
      expect(await noted()).toHaveLength(2);
      await catalog.breaches.told(clearing);
      await catalog.breaches.told(clearing);
      expect((await noted()).map(({ kind }) => kind)).toEqual(['lost']);
      expect(await catalog.breaches.begin(breach, at(9))).toBe(true);
      await catalog.breaches.told(clearing);
      expect(await noted()).toHaveLength(2);
    });

    it('keeps hosts', async () => {
      const host = aHost(fresh('i'));
      expect(await catalog.hosts.put(host, undefined)).toBe(true);
      expect(await catalog.hosts.get(host.document.hostId)).toEqual(host);
      expect(await catalog.hosts.list()).toContainEqual(host);
    });

    it('gives a lock to one execution, again to the same one, and names the holder to others', async () => {
      const lock = clusterLock(fresh('c'));
      expect(await catalog.locks.take(lock, 'arn:e1', at(1))).toEqual({ outcome: 'held' });
      expect(await catalog.locks.take(lock, 'arn:e1', at(1))).toEqual({ outcome: 'held' });
      expect(await catalog.locks.take(lock, 'arn:e2', at(2))).toEqual({
        outcome: 'busy',
        holder: 'arn:e1',
        since: at(1),
      });
      expect(await catalog.locks.release(lock, 'arn:e2')).toEqual({ outcome: 'not-held' });
      expect((await catalog.locks.list()).map((l) => l.name)).toContain(lock);
      expect(await catalog.locks.release(lock, 'arn:e1')).toEqual({ outcome: 'released' });
      expect(await catalog.locks.release(lock, 'arn:e1')).toEqual({ outcome: 'not-held' });
      expect(await catalog.locks.get(lock)).toBeUndefined();
    });

    it('takes all caps or none, and releasing twice is harmless', async () => {
      const wide = { name: fresh('fleet'), cap: 2 };
      const narrow = { name: fresh('physical-host'), cap: 1 };
      expect(await catalog.leases.take('arn:e1', [wide, narrow])).toEqual({ outcome: 'taken' });
      expect(await catalog.leases.take('arn:e1', [wide, narrow])).toEqual({ outcome: 'taken' });
      expect(await catalog.leases.take('arn:e2', [wide, narrow])).toEqual({
        outcome: 'full',
        names: [narrow.name],
      });
      expect(await catalog.leases.heldBy('arn:e2')).toEqual([]);
      expect((await catalog.leases.heldBy('arn:e1')).sort()).toEqual([wide.name, narrow.name].sort());
      await catalog.leases.release('arn:e1', [wide.name, narrow.name]);
      await catalog.leases.release('arn:e1', [wide.name, narrow.name, 'never-taken']);
      expect(await catalog.leases.heldBy('arn:e1')).toEqual([]);
      expect(await catalog.leases.take('arn:e2', [wide, narrow])).toEqual({ outcome: 'taken' });
      expect(await catalog.leases.take('arn:e3', [])).toEqual({ outcome: 'taken' });
    });

    it('never lets more than its number into a cap when many try at once', async () => {
      const lease = { name: fresh('site'), cap: 3 };
      const tries = await Promise.all(
        Array.from({ length: 8 }, (_, i) => catalog.leases.take(`arn:e${i}`, [lease])),
      );
      const taken = tries.filter((t) => t.outcome === 'taken').length;
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThanOrEqual(3);
      const record = (await catalog.leases.list()).find((cap) => cap.name === lease.name);
      expect(record?.holders.length).toBe(taken);
    });

    it('keeps a pin per reader', async () => {
      const pin = {
        v: 1 as const,
        clusterId: fresh('c'),
        backupId: 'b-1',
        execution: 'arn:e1',
        since: at(1),
        until: at(9),
      };
      await catalog.pins.put(pin);
      await catalog.pins.put({ ...pin, until: at(10) });
      await catalog.pins.put({ ...pin, execution: 'arn:e2' });
      await catalog.pins.put({ ...pin, backupId: 'b-10' });
      expect((await catalog.pins.of(pin.clusterId, 'b-1')).map((p) => [p.execution, p.until])).toEqual([
        ['arn:e1', at(10)],
        ['arn:e2', at(9)],
      ]);
      const own = await catalog.pins.ofExecution(pin.clusterId, 'arn:e1');
      expect(own.map((p) => p.backupId).toSorted()).toEqual(['b-1', 'b-10']);
      await catalog.pins.release(pin);
      await catalog.pins.release(pin);
      expect(await catalog.pins.of(pin.clusterId, 'b-1')).toHaveLength(1);
      expect((await catalog.pins.list()).filter((p) => p.clusterId === pin.clusterId)).toHaveLength(2);
    });

    it('F45: gives attempt 1 of a slot to whoever creates it, and the next number only over a failed attempt', async () => {
      const clusterId = fresh('c');
      const slot = '20261123T0100Z';
      const both = await Promise.all([
        catalog.slots.open(clusterId, slot, at(1)),
        catalog.slots.open(clusterId, slot, at(1)),
      ]);
      expect(both.map((b) => b.outcome).sort()).toEqual(['exists', 'opened']);
      expect(both.map((b) => b.record.attempt)).toEqual([1, 1]);
      expect((await catalog.slots.openNext(clusterId, slot, 1, at(2))).outcome).toBe('changed');
      const error = { name: 'Backup.ToolFailed', cause: 'exit 1' };
      expect(await catalog.slots.fail(clusterId, slot, 2, error, at(3))).toEqual({ outcome: 'left' });
      expect(await catalog.slots.fail(clusterId, slot, 1, error, at(3))).toEqual({ outcome: 'closed' });
      expect(await catalog.slots.fail(clusterId, slot, 1, error, at(3))).toEqual({ outcome: 'left' });
      expect((await catalog.slots.get(clusterId, slot))?.error).toEqual(error);
      const next = await catalog.slots.openNext(clusterId, slot, 1, at(4));
      expect(next).toEqual({
        outcome: 'opened',
        record: { v: 1, clusterId, slot, attempt: 2, state: 'open', openedAt: at(4) },
      });
      expect((await catalog.slots.openNext(clusterId, slot, 1, at(4))).outcome).toBe('changed');
    });

    it('records one backup for a slot; a second one is an extra, also after a failure in between', async () => {
      const clusterId = fresh('c');
      const slot = '20261123T0100Z';
      await catalog.slots.open(clusterId, slot, at(1));
      const error = { name: 'Job.Lost', cause: 'no beat' };
      await catalog.slots.fail(clusterId, slot, 1, error, at(2));
      const first = { outcome: 'recorded' };
      expect(await catalog.slots.recordBackup(clusterId, slot, 1, 'b-1', at(3))).toEqual(first);
      expect(await catalog.slots.recordBackup(clusterId, slot, 1, 'b-1', at(3))).toEqual(first);
      expect(await catalog.slots.recordBackup(clusterId, slot, 2, 'b-2', at(4))).toEqual({
        outcome: 'extra',
        backupId: 'b-1',
      });
      expect(await catalog.slots.get(clusterId, slot)).toMatchObject({ state: 'recorded', backupId: 'b-1' });
      expect(await catalog.slots.recordBackup(clusterId, '20261124T0100Z', 1, 'b-3', at(5))).toEqual(first);
      expect((await catalog.slots.list(clusterId, '20261123T0101Z')).map((s) => s.slot)).toEqual([
        '20261124T0100Z',
      ]);
      expect(await catalog.slots.list(clusterId, '20261123T0100Z')).toHaveLength(2);
    });

    it('folds receipts in any order to the newest fact, and a failure never covers a fact', async () => {
      const clusterId = fresh('c');
      const base = aBackup({ clusterId, backupId: 'b-1' });
      const receipt = (fact: Receipt['fact'], second: number): Receipt => ({
        v: 1,
        fact,
        clusterId,
        backupId: 'b-1',
        at: at(second),
        by: 'arn:e1',
        reasons: [],
        backup: { ...base, state: fact as 'committed' | 'verified' | 'proven' },
      });
      expect(await catalog.backups.apply(receipt('verified', 5))).toBe(true);
      expect(await catalog.backups.apply(receipt('committed', 5))).toBe(false);
      expect(await catalog.backups.apply(receipt('verified', 5))).toBe(true);
      expect(await catalog.backups.apply(receipt('proven', 9))).toBe(true);
      expect(await catalog.backups.apply(receipt('verified', 5))).toBe(false);
      const end = catalog.backups.end(clusterId, 'b-1', 'lost', { name: 'Job.Lost', cause: '' });
      expect(await end).toEqual({ outcome: 'left' });
      expect(await catalog.backups.get(clusterId, 'b-1')).toEqual({ ...base, state: 'proven' });
    });

    it('orders a backup in one piece: row, order and running record, only while the lock is ours', async () => {
      const clusterId = fresh('c');
      const lock = clusterLock(clusterId);
      const [jobId, backupId, userid] = [fresh('job'), fresh('b'), `AROA:${fresh('i')}`];
      const execution = fresh('arn:e');
      const order = anOrder({ clusterId, backupId });
      const job = aJobRow(userid, jobId, { execution, lock, clusterId, order });
      const running = aRunningBackup({ clusterId, backupId, jobId, execution });
      expect(await catalog.jobs.dispatch(job, userid, running)).toEqual({
        outcome: 'lock-lost',
        holder: null,
      });
      expect(await catalog.jobs.get(userid, jobId)).toBeUndefined();
      expect(await catalog.backups.get(clusterId, backupId)).toBeUndefined();
      expect(await catalog.orders.get(jobId)).toBeUndefined();

      await catalog.locks.take(lock, execution, at(1));
      expect(await catalog.jobs.dispatch(job, userid, running)).toEqual({ outcome: 'written' });
      expect(await catalog.jobs.get(userid, jobId)).toEqual(job);
      expect(await catalog.orders.get(jobId)).toMatchObject({ jobId, userid, execution, order });
      const over = new Date(Date.parse(job.deadline) + committingSeconds * 1000).toISOString();
      expect(await catalog.orders.ofExecution(execution)).toEqual([{ jobId, userid, over }]);
      expect(await catalog.jobs.ofExecution(execution, over)).toEqual([{ jobId, userid, live: true }]);
      const later = new Date(Date.parse(over) + 1).toISOString();
      expect(await catalog.jobs.ofExecution(execution, later)).toEqual([{ jobId, userid, live: false }]);
      expect(await catalog.orders.maybeLive()).toContainEqual({ jobId, userid });
      expect(await catalog.backups.get(clusterId, backupId)).toEqual(running);

      const again = await catalog.jobs.dispatch({ ...job, token: 'token-2' }, userid, running);
      expect(again).toMatchObject({ outcome: 'renewed', row: { token: 'token-2', state: 'queued' } });

      const error = { name: 'Job.Lost', cause: 'no beat' };
      expect(await catalog.backups.end(clusterId, backupId, 'lost', error)).toEqual({ outcome: 'ended' });
      expect(await catalog.backups.get(clusterId, backupId)).toEqual({ ...running, state: 'lost', error });
      expect(await catalog.backups.list(clusterId)).toHaveLength(1);
      expect(await catalog.backups.end(clusterId, 'never', 'lost', error)).toEqual({ outcome: 'left' });
    });

    it('does not let another execution take over a job id', async () => {
      const userid = `AROA:${fresh('i')}`;
      const jobId = fresh('job');
      await catalog.jobs.dispatch(aJobRow(userid, jobId, { execution: 'arn:x1' }), userid);
      const other = aJobRow(userid, jobId, { execution: 'arn:x2', token: 'stolen' });
      expect((await catalog.jobs.dispatch(other, userid)).outcome).toBe('conflict');
      expect((await catalog.jobs.get(userid, jobId))?.token).toBe('token-1');
    });

    it('cancels a queued job at once, tells a claimed one, and leaves a committing one', async () => {
      const userid = `AROA:${fresh('i')}`;
      const place = async (state: 'queued' | 'claimed' | 'committing') => {
        const jobId = fresh('job');
        await catalog.jobs.dispatch(aJobRow(userid, jobId, { state, execution: fresh('arn:e') }), userid);
        return jobId;
      };
      const queued = await place('queued');
      expect(await catalog.jobs.cancel(userid, queued, at(5))).toEqual({ outcome: 'ended' });
      const ended = await catalog.jobs.get(userid, queued);
      expect(ended).toMatchObject({ state: 'cancelled', endedAt: at(5) });
      expect(ended?.live ?? ended?.token).toBeUndefined();
      await catalog.orders.ended(queued);
      await catalog.orders.ended(queued);
      expect((await catalog.orders.maybeLive()).map((job) => job.jobId)).not.toContain(queued);
      expect(await catalog.jobs.cancel(userid, queued, at(6))).toEqual({ outcome: 'ended' });

      const claimed = await place('claimed');
      expect(await catalog.jobs.cancel(userid, claimed, at(5))).toEqual({ outcome: 'told' });
      expect(await catalog.jobs.cancel(userid, claimed, at(6))).toEqual({ outcome: 'told' });
      expect(await catalog.jobs.get(userid, claimed)).toMatchObject({ state: 'cancelled', live: 'yes' });

      const committing = await place('committing');
      expect(await catalog.jobs.cancel(userid, committing, at(5))).toEqual({ outcome: 'committing' });
      expect(await catalog.jobs.cancel(userid, 'job-never', at(5))).toEqual({ outcome: 'gone' });
    });

    it('ends a job in its place only where nothing moved since it was read, and hands out its token once', async () => {
      const userid = `AROA:${fresh('i')}`;
      const jobId = fresh('job');
      const execution = fresh('arn:e');
      const claimed = { state: 'claimed' as const, beatAt: at(7), execution };
      await catalog.jobs.dispatch(aJobRow(userid, jobId, claimed), userid);
      const row = await catalog.jobs.get(userid, jobId);
      if (row === undefined) throw new Error('the row is gone');
      const error = { name: 'Job.Lost', cause: `${'x'.repeat(3_999)}\u{1f4be}` };
      const stale = { ...row, beatAt: at(6) };
      expect(await catalog.jobs.endFor(userid, stale, 'lost', at(9), { error })).toEqual({
        outcome: 'moved',
      });
      expect(await catalog.jobs.endFor(userid, row, 'lost', at(9), { error })).toEqual({
        outcome: 'ended',
        token: 'token-1',
      });
      expect(await catalog.jobs.endFor(userid, row, 'lost', at(9), { error })).toEqual({ outcome: 'moved' });
      const after = await catalog.jobs.get(userid, jobId);
      expect(after).toMatchObject({ state: 'lost', endedAt: at(9), error: { name: 'Job.Lost' } });
      expect(after?.error?.cause).toHaveLength(4_000);
      expect(after?.error?.cause.isWellFormed()).toBe(true);
      expect(after?.token).toBeUndefined();
      expect((await catalog.jobs.dispatch(aJobRow(userid, jobId, { execution }), userid)).outcome).toBe(
        'ended',
      );
    });
  });
}
