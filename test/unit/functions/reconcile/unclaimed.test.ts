import { beforeEach, describe, expect, it } from 'vitest';
import { manifestKey, volumeKey } from '../../../../contract/layout.ts';
import {
  foreignAtMost,
  reconcileForeignNames,
  unclaimedOf,
} from '../../../../functions/reconcile/unclaimed.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';

const { clusterId, site } = example('order-backup');
const { bucket } = site;
const shown = (key: string) => `s3://${bucket}/${key}`;

let control: MemoryControl;
const put = (...keys: string[]) => {
  for (const key of keys) control.objects.put(bucket, key, 'x');
};
const find = (...ordered: string[]) => unclaimedOf(control, clusterId, site, new Set(ordered));

beforeEach(() => {
  control = makeMemoryControl('2026-11-23T02:00:00.000Z');
});

describe('what nobody ordered below a cluster', () => {
  it('is every manifest, folder, segment and loose object that is of no ordered backup', async () => {
    const segment = `${clusterId}/logs/main/t1/2026-11-23/000001-ab.segment`;
    put(
      volumeKey({ clusterId, backupId: 'ours' }, 'main', 0),
      manifestKey({ clusterId, backupId: 'ours' }),
      manifestKey({ clusterId, backupId: 'forged' }),
      volumeKey({ clusterId, backupId: 'only-volumes' }, 'main', 0),
      `${clusterId}/backups/loose`,
      segment,
      `${clusterId}/elsewhere/backups/x`,
    );
    expect(await find('ours')).toEqual({
      manifests: [shown(`${clusterId}/backups/forged/manifest.json`)],
      others: [
        shown(`${clusterId}/backups/loose/`),
        shown(`${clusterId}/backups/only-volumes/`),
        shown(segment),
        shown(`${clusterId}/elsewhere`),
      ],
    });
  });

  it('is nothing in a tidy bucket', async () => {
    put(volumeKey({ clusterId, backupId: 'ours' }, 'main', 0));
    expect(await find('ours')).toEqual({ manifests: [], others: [] });
  });

  it('is not a backup that was ordered since the catalog was read', async () => {
    const backup = example('backup');
    put(volumeKey(backup, 'main', 0));
    await control.backups.apply(example('receipt'));
    expect(await find()).toEqual({ manifests: [], others: [] });
  });

  it('is found out at a bounded cost, however much a host has put there', async () => {
    const many = Array.from({ length: 3 * foreignAtMost }, (_, i) => i);
    put(...many.map((i) => `${clusterId}/logs/main/t1/day/${i}`));
    put(...many.map((i) => `${clusterId}/backups/b-${i}/volumes/main/000000`));
    expect((await find()).others).toHaveLength(2 * foreignAtMost);
  });
});

describe('a name in a bucket', () => {
  const foreign = () => reconcileForeignNames(control, [example('cluster')]);

  it('that no cluster bears is reported, those of clusters and of control are not', async () => {
    put(`${clusterId}/backups/b/manifest.json`, 'receipts/x/y/z.json', 'registry/hosts/a/b.json');
    put('nobody/backups/b/manifest.json', 'nobody/logs/main/t/d/1', 'a.b/backups/c');
    expect(await foreign()).toEqual({
      names: [`s3://${sites.frankfurt.bucket}/a.b/`, `s3://${sites.frankfurt.bucket}/nobody/`],
      failed: 0,
    });
  });

  it('of a cluster that was registered since the list was read is no foreign one', async () => {
    const cluster = example('cluster');
    put('fresh/backups/b/volumes/main/000000');
    await control.clusters.restore({ ...cluster, document: { ...cluster.document, clusterId: 'fresh' } });
    expect(await foreign()).toEqual({ names: [], failed: 0 });
  });

  it('is found out at a bounded cost', async () => {
    put(...Array.from({ length: 3 * foreignAtMost }, (_, i) => `n${i}/logs/x`));
    expect((await foreign()).names).toHaveLength(foreignAtMost);
  });
});
