import { beforeEach, describe, expect, it } from 'vitest';
import { canonicalJson, encodeReceipt } from '../../../../contract/formats/codec.ts';
import type { Receipt } from '../../../../contract/formats/receipt.ts';
import { receiptKey, registryKey } from '../../../../contract/layout.ts';
import type { BackupState } from '../../../../contract/records/backup.ts';
import { makeHandler, newestOfEach } from '../../../../functions/reconcile/rebuild.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';

const bucket = sites.frankfurt.bucket;
const later = (minutes: number) =>
  new Date(Date.parse('2026-11-23T01:09:00.000Z') + minutes * 60_000).toISOString();

/** Receipts of a backup with these facts, a minute apart. */
function receiptsOf(
  backupId: string,
  slot: string | null,
  extra: boolean,
  ...facts: Receipt['fact'][]
): Receipt[] {
  const base = example('receipt');
  return facts.map((fact, i) => {
    const state: BackupState =
      fact === 'verified' || fact === 'committed' || fact === 'suspect' || fact === 'proven'
        ? fact
        : 'expired';
    const backup = { ...base.backup, backupId, slot, extra, state, committedAt: later(0) };
    return { ...base, fact, backupId, at: later(i), backup };
  });
}

const receipts = [
  ...receiptsOf('b1', '20261121T0100Z', false, 'committed', 'verified', 'proven'),
  ...receiptsOf('b2', '20261122T0100Z', false, 'committed', 'suspect'),
  ...receiptsOf('b3', '20261122T0100Z', true, 'committed', 'verified'),
  ...receiptsOf('b4', null, false, 'committed', 'verified', 'expired'),
];

/** A control plane that has lived: registered, backed up, and in the middle of things. */
async function lived(): Promise<MemoryControl> {
  const control = makeMemoryControl('2026-11-23T02:00:00.000Z');
  const { ordered: _, ...cluster } = example('cluster');
  const host = example('host');
  const older = {
    ...cluster,
    registeredAt: '2026-10-01T00:00:00.000Z',
    document: { ...cluster.document, policy: 'old' },
  };
  for (const record of [older, cluster]) {
    await control.clusters.restore(record);
    control.objects.put(bucket, registryKey('cluster', 'orders', record.registeredAt), canonicalJson(record));
  }
  await control.hosts.restore(host);
  control.objects.put(
    bucket,
    registryKey('host', host.document.hostId, host.registeredAt),
    canonicalJson(host),
  );
  for (const receipt of receipts) {
    const { slot, attempt, extra, committedAt } = receipt.backup;
    if (slot && !extra) {
      await control.slots.open('orders', slot, committedAt!);
      await control.slots.recordBackup('orders', slot, attempt, receipt.backupId, committedAt!);
    }
    await control.backups.apply(receipt);
    control.objects.put(bucket, receiptKey(receipt, receipt.at, receipt.fact), encodeReceipt(receipt));
  }
  return control;
}

const rebuildInto = (fresh: MemoryControl, from: MemoryControl, more: object = {}) =>
  makeHandler({ ...fresh, objectsOf: from.objectsOf })({ v: 1, site: 'frankfurt', ...more });

/** Every record but the switch that a rebuild turns off. */
const catalogOf = (control: MemoryControl) =>
  control.dynamo
    .items('catalog')
    .filter(({ pk }) => pk !== 'RETENTION')
    .map((item) => canonicalJson(item))
    .sort();

let from: MemoryControl;
let fresh: MemoryControl;
beforeEach(async () => {
  from = await lived();
  fresh = makeMemoryControl('2026-11-23T03:00:00.000Z');
});

describe('rebuilding a catalog', () => {
  it('gives the very records that were lost: clusters, hosts, backups, and the slots of backups (F49)', async () => {
    const before = catalogOf(from);
    expect(await rebuildInto(fresh, from)).toEqual({
      outcome: 'rebuilt',
      after: null,
      clusters: 1,
      hosts: 1,
      receipts: receipts.length,
      unreadable: [],
    });
    expect(before.length).toBe(8);
    expect(catalogOf(fresh)).toEqual(before);
  });

  it('but not locks, leases, pins, jobs, and attempts without a manifest', async () => {
    const before = catalogOf(from);
    const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-backup:x';
    await from.locks.take('cluster:orders', execution, later(0));
    await from.leases.take(execution, [{ name: 'fleet', cap: 1 }]);
    await from.pins.put({
      v: 1,
      clusterId: 'orders',
      backupId: 'b1',
      execution,
      since: later(0),
      until: later(9),
    });
    await from.slots.open('orders', '20261123T0100Z', later(0));
    await rebuildInto(fresh, from);
    expect(catalogOf(fresh)).toEqual(before);
  });

  it('twice, or over what is already there, changes nothing', async () => {
    await rebuildInto(fresh, from);
    const once = catalogOf(fresh);
    await rebuildInto(fresh, from);
    expect(catalogOf(fresh)).toEqual(once);
    await rebuildInto(from, from);
    expect(catalogOf(from)).toEqual(once);
  });

  it('a manifest without a receipt comes not back: what control did not record does not count', async () => {
    from.objects.put(bucket, 'orders/backups/b9/manifest.json', JSON.stringify(example('manifest')));
    await rebuildInto(fresh, from);
    expect((await fresh.backups.list('orders')).map((b) => b.backupId).sort()).toEqual([
      'b1',
      'b2',
      'b3',
      'b4',
    ]);
  });

  it('what cannot be read is named and left out, the rest comes back', async () => {
    from.objects.put(bucket, 'receipts/orders/b8/2026-11-23T01:09:00.000Z-verified.json', '{"v":2}');
    from.objects.put(bucket, 'receipts/orders/b9/2026-11-23T01:09:00.000Z-verified.json', '{');
    const answer = await rebuildInto(fresh, from);
    expect(answer).toMatchObject({ outcome: 'rebuilt', receipts: receipts.length });
    expect((answer as { unreadable: string[] }).unreadable).toEqual([
      expect.stringMatching(/b8.*Format\.Newer/),
      expect.stringMatching(/b9.*Input\.Invalid/),
    ]);
  });

  it('a rebuild that takes too long says where to go on, and goes on from there', async () => {
    for (let i = 0; i < 700; i++) {
      const [receipt] = receiptsOf(`many-${i}`, null, false, 'verified');
      from.objects.put(bucket, receiptKey(receipt!, receipt!.at, 'verified'), encodeReceipt(receipt!));
    }
    let clock = Date.parse('2026-11-23T03:00:00.000Z');
    const slow = () => {
      clock += 800_000;
      return new Date(clock);
    };
    const first = await makeHandler({ ...fresh, objectsOf: from.objectsOf, now: slow })({
      v: 1,
      site: 'frankfurt',
    });
    if (first.outcome !== 'more') throw new Error(first.outcome);
    expect(first.receipts).toBe(640);
    const second = await rebuildInto(fresh, from, { after: first.after });
    expect(second).toMatchObject({ outcome: 'rebuilt', receipts: 700 + receipts.length - 640 });
    expect(await fresh.backups.list('orders')).toHaveLength(704);
  });

  it('turns retention off before anything else, and a second call leaves the first reason', async () => {
    const clusters = {
      restore: async () => {
        throw new Error('throttled');
      },
    };
    await expect(rebuildInto({ ...fresh, clusters } as unknown as MemoryControl, from)).rejects.toThrow();
    const off = await fresh.retentionSwitch.get();
    expect(off).toMatchObject({
      since: '2026-11-23T03:00:00.000Z',
      why: expect.stringContaining('frankfurt'),
    });
    fresh.moveTo('2026-11-23T04:00:00.000Z');
    await rebuildInto(fresh, from);
    expect(await fresh.retentionSwitch.get()).toEqual(off);
  });

  it('refuses a site that is not in the settings', async () => {
    expect(await rebuildInto(fresh, from, { site: 'nowhere' })).toMatchObject({
      outcome: 'refused',
      error: { name: 'Input.Invalid', cause: expect.stringContaining('site: nowhere is no site') },
    });
  });
});

describe('the registry', () => {
  it('is read at its newest entry of each', () => {
    expect(
      newestOfEach([
        'registry/clusters/a/2026-01-02T00:00:00.000Z.json',
        'registry/clusters/a/2026-01-10T00:00:00.000Z.json',
        'registry/clusters/ab/2026-01-01T00:00:00.000Z.json',
      ]),
    ).toEqual([
      'registry/clusters/a/2026-01-10T00:00:00.000Z.json',
      'registry/clusters/ab/2026-01-01T00:00:00.000Z.json',
    ]);
  });
});
