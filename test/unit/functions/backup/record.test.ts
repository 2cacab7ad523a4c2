import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { decodeReceipt } from '../../../../contract/formats/codec.ts';
import { manifestKey } from '../../../../contract/layout.ts';
import { confirmationOf, makeHandler } from '../../../../functions/backup/record.ts';
import { makeHandler as makeFailureHandler } from '../../../../functions/backup/record-failure.ts';
import { foldReceipts } from '../../../../functions/catalog/fold.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { makeMemoryObjects } from '../../../doubles/memory-objects.ts';
import { aBackup, aCluster, aManifest, anOrder } from '../../../doubles/records.ts';
import { orderBackup, storeBackup } from '../../../doubles/stored-backup.ts';

const slot = '20261123T0100Z';
let catalog: ReturnType<typeof makeMemoryCatalog>;
let objects: ReturnType<typeof makeMemoryObjects>;
let place: { clusterId: string; backupId: string };

beforeEach(async () => {
  catalog = makeMemoryCatalog();
  objects = makeMemoryObjects();
  place = await orderBackup(catalog);
  await catalog.slots.open('orders', slot, '2026-11-23T01:00:00.000Z');
  storeBackup(objects);
});

const record = (change: object = {}) =>
  makeHandler({ ...catalog, objectsOf: () => objects })({
    execution: 'arn:e1',
    clusterId: 'orders',
    backupId: place.backupId,
    slot,
    attempt: 1,
    verdict: 'verified',
    reasons: [],
    ...change,
  });
const receipts = () => objects.keys().filter((key) => key.startsWith('receipts/'));
const receiptAt = async (key: string) => decodeReceipt((await objects.get(key))?.body ?? '');
const folded = async () => foldReceipts(await Promise.all(receipts().map(receiptAt)));

describe('recording a backup', () => {
  it('writes a receipt for the commit and one for the verdict, and the catalog is their fold', async () => {
    expect(await record()).toEqual({
      outcome: 'recorded',
      state: 'verified',
      extra: false,
      method: 'physical',
      level: 'full',
      why: aManifest().plan.reasons,
      bytes: 300,
      storedBytes: 24,
      seconds: 532.7,
      volumes: 3,
      reasons: [],
    });
    const prefix = `receipts/orders/${place.backupId}/2026-11-23T01:09:02.118Z`;
    expect(receipts()).toEqual([`${prefix}-committed.json`, `${prefix}-verified.json`]);
    const backup = await catalog.backups.get('orders', place.backupId);
    const manifest = await objects.get(manifestKey(place));
    expect(backup).toMatchObject({
      state: 'verified',
      execution: 'arn:e1',
      attempt: 1,
      bytes: 300,
      volumes: 3,
      manifestSha256: createHash('sha256')
        .update(manifest?.body ?? '')
        .digest('hex'),
      manifestVersionId: manifest?.versionId,
      comparison: 'exact',
      chain: place.backupId,
      timeline: 't-1',
    });
    expect((await folded()).map((receipt) => receipt.backup)).toEqual([backup]);
    expect(await catalog.slots.get('orders', slot)).toMatchObject({
      state: 'recorded',
      backupId: place.backupId,
    });
  });

  it('F44, F52: called twice it meets itself, byte for byte', async () => {
    const first = await record();
    const once = await catalog.backups.get('orders', place.backupId);
    const stored = await Promise.all(receipts().map((key) => objects.get(key)));
    expect(await record()).toEqual(first);
    expect(await catalog.backups.get('orders', place.backupId)).toEqual(once);
    expect(await Promise.all(receipts().map((key) => objects.get(key)))).toEqual(stored);
  });

  it('F48: goes on where an earlier call broke off, whoever calls', async () => {
    const broken = { ...catalog.backups, apply: () => Promise.reject(new Error('throttled')) };
    const handler = makeHandler({ ...catalog, backups: broken, objectsOf: () => objects });
    const event = {
      execution: 'arn:e1',
      ...{
        clusterId: 'orders',
        backupId: place.backupId,
        slot,
        attempt: 1,
        verdict: 'verified',
        reasons: [],
      },
    };
    await expect(handler(event)).rejects.toThrow('throttled');
    expect(receipts()).toHaveLength(1);
    expect(await record({ execution: 'arn:adopting' })).toMatchObject({ state: 'verified', extra: false });
    expect((await receiptAt(receipts()[0]!)).by).toBe('arn:e1');
    expect((await receiptAt(receipts()[1]!)).by).toBe('arn:adopting');
  });

  it('keeps a second backup of a slot as an extra', async () => {
    await catalog.slots.recordBackup('orders', slot, 2, 'b-other', '2026-11-23T01:08:00.000Z');
    expect(await record()).toMatchObject({ extra: true });
    expect((await catalog.backups.get('orders', place.backupId))?.extra).toBe(true);
    expect((await catalog.slots.get('orders', slot))?.backupId).toBe('b-other');
  });

  it('records a suspect backup with its reasons; a later verdict of the same cause does not make it good', async () => {
    const reasons = ['it holds no table'];
    expect(await record({ verdict: 'suspect', reasons })).toMatchObject({ state: 'suspect', reasons });
    expect(await record()).toMatchObject({ state: 'suspect', reasons });
    expect(await catalog.backups.get('orders', place.backupId)).toMatchObject({ state: 'suspect', reasons });
    expect((await folded())[0]?.fact).toBe('suspect');
  });

  describe('that is suspect', () => {
    const reasons = ['it has 300 bytes, far below the others'];
    const suspect = { verdict: 'suspect', reasons };
    const orderOf = async () => (await catalog.clusters.get('orders'))?.ordered;
    const earlier = (state: 'verified' | 'suspect') =>
      catalog.backups.apply({
        v: 1,
        fact: state,
        clusterId: 'orders',
        backupId: 'b-earlier',
        at: '2026-11-22T01:09:00.000Z',
        by: 'arn:e0',
        reasons,
        backup: aBackup({
          backupId: 'b-earlier',
          state,
          reasons,
          startedAt: '2026-11-22T01:00:00.000Z',
          committedAt: '2026-11-22T01:08:00.000Z',
          verifiedAt: '2026-11-22T01:09:00.000Z',
          site: anOrder().site,
        }),
      });

    beforeEach(async () => {
      await catalog.clusters.restore(aCluster({ clusterId: 'orders' }));
    });

    it('orders one new full with the reason, however often it is recorded', async () => {
      await earlier('verified');
      await record(suspect);
      const order = await orderOf();
      expect(order).toEqual({
        level: 'full',
        reason: `backup ${place.backupId} is suspect: ${reasons[0]}`,
        at: '2026-11-23T01:09:02.118Z',
      });
      await record(suspect);
      expect(await orderOf()).toEqual(order);
    });

    it('orders none where the backup before it is suspect, which has ordered one', async () => {
      await earlier('suspect');
      await record(suspect);
      expect(await orderOf()).toBeUndefined();
    });

    it('orders none when it is good', async () => {
      await record();
      expect(await orderOf()).toBeUndefined();
    });

    it('keeps reasons short enough for the input of an execution', async () => {
      await record({ verdict: 'suspect', reasons: ['x'.repeat(2000)] });
      expect((await orderOf())?.reason).toHaveLength(500);
    });

    it('becomes verified, with the reason, when the next one confirms it; twice is the same', async () => {
      await earlier('suspect');
      const confirming = { confirms: 'b-earlier', reasons: ['the change is real'] };
      expect(await record(confirming)).toMatchObject({
        state: 'verified',
        reasons: ['the change is real'],
      });
      const after = await catalog.backups.get('orders', 'b-earlier');
      expect(after).toMatchObject({ state: 'verified', reasons: ['the change is real'] });
      const written = receipts();
      expect(written).toContain('receipts/orders/b-earlier/2026-11-23T01:09:02.118Z-verified.json');
      await record(confirming);
      expect(receipts()).toEqual(written);
      expect(await catalog.backups.get('orders', 'b-earlier')).toEqual(after);
      expect((await folded()).map((r) => r.backup.state)).toEqual(['verified', 'verified']);
    });

    it('F53: is confirmed also by a host whose clock is behind', () => {
      const before = aBackup({ state: 'suspect', verifiedAt: '2026-11-23T02:00:00.000Z' });
      const later = aBackup({ committedAt: '2026-11-23T01:59:00.000Z' });
      expect(confirmationOf(before, later, [], 'arn:e1').at).toBe('2026-11-23T02:00:00.001Z');
    });
  });

  it('needs no slot for a backup by hand', async () => {
    expect(await record({ slot: null })).toMatchObject({ outcome: 'recorded', extra: false });
    expect((await catalog.slots.get('orders', slot))?.state).toBe('open');
  });

  it('refuses a manifest that is not the verified one, one that is gone, and one that was never ordered', async () => {
    await expect(record({ manifestSha256: '0'.repeat(64) })).rejects.toMatchObject({
      name: 'Verify.ObjectDiffers',
    });
    await expect(record({ backupId: 'b-never' })).rejects.toMatchObject({ name: 'Backup.Unknown' });
    objects.remove(manifestKey(place));
    await expect(record()).rejects.toMatchObject({ name: 'Verify.ObjectMissing' });
    expect(receipts()).toEqual([]);
  });

  it('F31: does not accept a receipt of the same name that speaks of another manifest', async () => {
    await record();
    storeBackup(objects, { volumes: ['another', 'backup'] });
    await expect(record()).rejects.toMatchObject({ name: 'Store.Conflict' });
  });
});

describe('recording a failure', () => {
  const fail = (change: object = {}) =>
    makeFailureHandler({ ...catalog, now: () => new Date('2026-11-23T02:00:00.000Z') })({
      execution: 'arn:e1',
      clusterId: 'orders',
      slot,
      attempt: 1,
      backupId: place.backupId,
      error: { name: 'Backup.ToolFailed', cause: `${'x'.repeat(1999)}\u{1f4be}` },
      ...change,
    });

  it('closes the running backup and the open attempt, once', async () => {
    expect(await fail()).toEqual({ outcome: 'recorded', backup: 'ended', slot: 'closed' });
    expect(await fail()).toEqual({ outcome: 'recorded', backup: 'left', slot: 'left' });
    const backup = await catalog.backups.get('orders', place.backupId);
    expect(backup).toMatchObject({ state: 'failed', error: { name: 'Backup.ToolFailed' } });
    expect(backup?.error?.cause).toHaveLength(2000);
    expect(backup?.error?.cause.isWellFormed()).toBe(true);
    expect(await catalog.slots.get('orders', slot)).toMatchObject({ state: 'failed', attempt: 1 });
  });

  it('never covers a recorded backup', async () => {
    await record();
    expect(await fail()).toEqual({ outcome: 'recorded', backup: 'left', slot: 'left' });
    expect((await catalog.backups.get('orders', place.backupId))?.state).toBe('verified');
  });

  it('orders a full when a chain broke, once, and for no other failure', async () => {
    await catalog.clusters.restore(aCluster({ clusterId: 'orders' }));
    const orderOf = async () => (await catalog.clusters.get('orders'))?.ordered;
    const error = { name: 'Backup.ChainBroken', cause: 'it begins at LSN 1, where 2 is due' };
    await fail();
    expect(await orderOf()).toBeUndefined();
    await fail({ error });
    const ordered = await orderOf();
    expect(ordered).toEqual({
      level: 'full',
      reason: 'the chain broke: it begins at LSN 1, where 2 is due',
      at: '2026-11-23T01:00:00.000Z',
    });
    await fail({ error });
    expect(await orderOf()).toEqual(ordered);
  });

  it('needs neither a backup nor a slot', async () => {
    expect(await fail({ backupId: null, slot: null })).toEqual({
      outcome: 'recorded',
      backup: 'none',
      slot: 'none',
    });
  });
});
