import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { manifestKey } from '../../../../contract/layout.ts';
import { makeHandler, plannedRestoreSchema } from '../../../../functions/restore/plan-restore.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';

const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:by-hand';
const spare = 'i-0c2e4f6a8b0d13579';
const target = { hostId: spare, directory: '/data2/restore', port: 3316, user: 'mysql' };
const input = { v: 1, clusterId: 'orders', backupId: 'latest', target };

let control: MemoryControl;

/** Stores a manifest and a backup record that names its checksum. */
async function store(change: (manifest: Manifest) => void = () => undefined, recorded?: string) {
  const manifest = example('manifest');
  change(manifest);
  const text = encodeManifest(manifest);
  const backup = {
    ...example('backup'),
    manifestSha256: recorded ?? createHash('sha256').update(text).digest('hex'),
  };
  control.objects.put(backup.site.bucket, manifestKey(backup), text);
  await control.backups.apply({ ...example('receipt'), backup });
  return { manifest, backup };
}

const plan = (more: object = {}, known: Partial<typeof sites> = sites) =>
  makeHandler({ ...control, sites: known as typeof sites, mintJobId: () => 'job-check-1' })({
    execution,
    input: { ...input, ...more },
  });

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:00:00.000Z');
  await control.clusters.restore(example('cluster'));
  const host = example('host');
  await control.hosts.restore({
    ...host,
    document: { ...host.document, hostId: spare, purposes: ['spare'] },
  });
});

describe('Plan the restore', () => {
  it('names backup, site, target, lock, a check of the target, and what the manifest needs', async () => {
    const { manifest, backup } = await store();
    const planned = await plan();
    expect(planned).toMatchObject({
      outcome: 'planned',
      backupId: backup.backupId,
      manifestSha256: backup.manifestSha256,
      site: backup.site,
      lock: `target:${spare}:/data2/restore`,
      check: { jobId: 'job-check-1', hostId: spare, order: { kind: 'check', target }, deadlineSeconds: 120 },
      need: { bytes: manifest.restore.bytes, serverVersion: manifest.server.version },
    });
    expect(plannedRestoreSchema.safeParse(planned).success).toBe(true);
  });

  it('one directory has one lock, however it is written', async () => {
    await store();
    const planned = await plan({ target: { ...target, directory: '//data2///restore/' } });
    expect(planned).toMatchObject({
      lock: `target:${spare}:/data2/restore`,
      target: { directory: '/data2/restore' },
    });
  });

  it('a directory with quotes, spaces, dollars and line breaks is a directory (F76)', async () => {
    await store();
    const directory = '/data2/it\'s "odd"; $HOME\n`x`';
    expect(await plan({ target: { ...target, directory } })).toMatchObject({
      outcome: 'planned',
      target: { directory },
    });
  });

  it.each(['/', '//', '/data2/../etc', '/data2/./x', '/'.padEnd(399, '漢')])(
    'the directory %s is refused by name, with the field',
    async (directory) => {
      await store();
      expect(await plan({ target: { ...target, directory } })).toMatchObject({
        outcome: 'refused',
        error: { name: 'Input.Invalid', cause: expect.stringMatching(/target\.directory/) },
      });
    },
  );

  it.each([
    [{ clusterId: 'nobody' }, 'Cluster.Unknown', 'clusterId: nobody'],
    [{ backupId: 'nothing' }, 'Backup.Unknown', 'backupId: nothing'],
    [{ target: { ...target, hostId: 'i-unknown' } }, 'Host.Unknown', 'target.hostId: i-unknown'],
    [{ target: { ...target, port: 80 } }, 'Input.Invalid', 'target.port'],
    [{ target: { ...target, directory: 'data2' } }, 'Input.Invalid', 'target.directory'],
    [{ force: true }, 'Input.Invalid', 'force'],
    [{ tables: ['shop.orders'] }, 'Input.Invalid', 'into: name the member'],
    [{ into: 'orders-b' }, 'Input.Invalid', 'into: orders-b takes tables'],
    [{ to: { time: '2026-11-23T01:00:00Z' } }, 'Restore.NotYet', 'to: {"time":'],
  ])('%j is refused with %s and what is wrong', async (wrong, name, said) => {
    await store();
    const answer = await plan(wrong);
    expect(answer).toMatchObject({
      outcome: 'refused',
      error: { name, cause: expect.stringContaining(said) },
    });
  });

  it('the state of the backup may be asked for in words', async () => {
    await store();
    expect(await plan({ to: { backup: true } })).toMatchObject({ outcome: 'planned' });
  });

  it('a host that serves production only is refused', async () => {
    await store();
    const host = example('host');
    await control.hosts.restore({
      ...host,
      document: { ...host.document, hostId: spare, purposes: ['database'] },
    });
    expect(await plan()).toMatchObject({
      error: {
        name: 'Host.WrongPurpose',
        cause: expect.stringContaining('one of restore, drill, spare is needed'),
      },
    });
  });

  it('a host whose check is not done is refused', async () => {
    await store();
    const host = example('host');
    await control.hosts.restore({
      ...host,
      state: 'checking',
      document: { ...host.document, hostId: spare },
    });
    expect(await plan()).toMatchObject({ error: { name: 'Host.Unknown' } });
  });

  it('tables outside the data directory are refused before anything is touched (M18)', async () => {
    await store((manifest) => {
      manifest.restore.outsideDatadir = ['/mnt/big/shop/archive.ibd'];
    });
    expect(await plan()).toMatchObject({
      error: { name: 'Restore.OutsideDatadir', cause: expect.stringContaining('/mnt/big/shop/archive.ibd') },
    });
  });

  it('another manifest than the recorded one is refused', async () => {
    await store(undefined, 'a'.repeat(64));
    expect(await plan()).toMatchObject({
      error: {
        name: 'Backup.NotRestorable',
        cause: expect.stringContaining(`recorded (SHA-256 ${'a'.repeat(64)}`),
      },
    });
  });

  it('a backup whose manifest is gone, or whose site is, is refused', async () => {
    await control.backups.apply(example('receipt'));
    expect(await plan()).toMatchObject({
      error: { name: 'Backup.NotRestorable', cause: expect.stringContaining('has no manifest') },
    });
    expect(await plan({}, {})).toMatchObject({
      error: { name: 'Backup.NotRestorable', cause: expect.stringContaining('site frankfurt') },
    });
  });

  it('a flavour that this version does not restore is refused', async () => {
    await store((manifest) => {
      manifest.flavour = 'mongodb';
    });
    expect(await plan()).toMatchObject({ error: { name: 'Restore.NotYet' } });
  });

  it('a retired cluster can be restored', async () => {
    await store();
    const cluster = example('cluster');
    await control.clusters.restore({ ...cluster, document: { ...cluster.document, retired: true } });
    expect(await plan()).toMatchObject({ outcome: 'planned' });
  });
});
