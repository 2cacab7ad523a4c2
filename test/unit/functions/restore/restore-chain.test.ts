import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import { manifestKey } from '../../../../contract/layout.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { jobKey, type RestoreOrder } from '../../../../contract/records/job.ts';
import { makeHandler as makeRelease } from '../../../../functions/backup/release.ts';
import { makeHandler as makeBroker } from '../../../../functions/restore/broker.ts';
import { makeHandler as makeFit } from '../../../../functions/restore/fit-restore.ts';
import { makeHandler as makeHold } from '../../../../functions/restore/hold-restore.ts';
import { makeHandler as makePlan, type PlannedRestore } from '../../../../functions/restore/plan-restore.ts';
import { aChain } from '../../../doubles/chain.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';

const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:by-hand';
const spare = 'i-0c2e4f6a8b0d13579';
const target = { hostId: spare, directory: '/data2/restore', port: 3316, user: 'mysql' };
const lock = `target:${spare}:/data2/restore`;

let control: MemoryControl;
let sums: string[];

/** Records and stores a full and three incrementals, each incremental with 1 GB of pages on 7 GB of data. */
async function store(change: (n: number) => Partial<BackupRecord> = () => ({})) {
  sums = [];
  for (const [n, record] of aChain(3, change).toReversed().entries()) {
    const manifest = example('manifest');
    manifest.backupId = record.backupId;
    manifest.restore.bytes = 7e9 + n;
    manifest.metrics.bytes = n === 0 ? 6e9 : 1e9 - n;
    const text = encodeManifest(manifest);
    const manifestSha256 = createHash('sha256').update(text).digest('hex');
    sums.push(manifestSha256);
    const backup = { ...record, manifestSha256 };
    const bucket = example('backup').site.bucket;
    control.objects.put(bucket, manifestKey(backup), text);
    const { backupId, verifiedAt: at = '' } = backup;
    await control.backups.apply({ ...example('receipt'), backupId, at, backup });
  }
}

const plan = (backupId = 'latest') =>
  makePlan({ ...control, sites, mintJobId: () => 'job-check-1' })({
    execution,
    input: { v: 1, clusterId: 'orders', backupId, target },
  });
const planned = async (backupId?: string): Promise<PlannedRestore> => {
  const answer = await plan(backupId);
  if (answer.outcome !== 'planned') throw new Error(answer.error.cause);
  return answer;
};
const hold = (backupId: string) => makeHold(control)({ execution, lock, clusterId: 'orders', backupId });
const pinned = async () => (await control.pins.list()).map(({ backupId }) => backupId).toSorted();

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:05:00.000Z');
  await control.clusters.restore(example('cluster'));
  const host = example('host');
  await control.hosts.restore({
    ...host,
    document: { ...host.document, hostId: spare, purposes: ['spare'] },
  });
});

describe('restoring an incremental', () => {
  it('plans its chain with the checksum of every manifest, base first, and the room for the largest incremental', async () => {
    await store();
    const { chain, need, backupId, manifestSha256 } = await planned();
    expect({ backupId, manifestSha256 }).toEqual({ backupId: 'b-3', manifestSha256: sums[3] });
    expect(chain).toEqual(
      ['b-0', 'b-1', 'b-2', 'b-3'].map((id, n) => ({ backupId: id, manifestSha256: sums[n] })),
    );
    expect(need).toMatchObject({ bytes: 7e9 + 3 + 1e9 - 1, unpackedBytes: 6e9 + 1e9 - 1 });
    expect((await planned('b-1')).chain?.map((link) => link.backupId)).toEqual(['b-0', 'b-1']);
    expect(await planned('b-0')).not.toHaveProperty('chain');
  });

  it.each<[string, (n: number) => Partial<BackupRecord>]>([
    ['b-2 needs b-1, which is quarantined', (n) => (n === 1 ? { state: 'quarantined' } : {})],
    ['b-1 needs b-0, which is expired', (n) => (n === 0 ? { state: 'expired' } : {})],
    [
      'b-2 was taken on b-1, but begins at LSN 7',
      (n) => (n === 2 ? { lsn: { from: '7', to: '3000', last: '9' } } : {}),
    ],
  ])(
    'F58: is refused before anything is touched where %s, with the nearest that can be had',
    async (why, change) => {
      await store(change);
      const answer = await plan('b-3');
      expect(answer).toMatchObject({
        outcome: 'refused',
        error: {
          name: 'Backup.NotRestorable',
          cause: expect.stringContaining(`backupId: b-3 cannot be restored: ${why}`),
        },
      });
      const nearest = why.includes('expired')
        ? 'orders has no verified backup'
        : /b-2 was/.test(why)
          ? 'restored is b-1'
          : 'restored is b-0';
      expect(answer).toMatchObject({ error: { cause: expect.stringContaining(nearest) } });
    },
  );

  it('F58: is refused where a manifest of the chain is another one, or gone', async () => {
    await store();
    const { bucket } = example('backup').site;
    control.objects.put(bucket, manifestKey({ clusterId: 'orders', backupId: 'b-1' }), 'another');
    expect(await plan('b-3')).toMatchObject({
      error: {
        name: 'Backup.NotRestorable',
        cause: expect.stringContaining('b-3 needs b-1, which has another manifest than the one recorded'),
      },
    });
  });

  it('F64: pins every link, looks again, and gives all pins back', async () => {
    await store();
    expect(await hold('b-2')).toEqual({ outcome: 'held' });
    expect(await pinned()).toEqual(['b-0', 'b-1', 'b-2']);
    const pin = { clusterId: 'orders', backupId: 'b-2' };
    await control.pins.put({
      v: 1,
      ...pin,
      execution: 'arn:other',
      since: '2026-11-23T09:00:00.000Z',
      until: '2026-11-24T09:00:00.000Z',
    });
    await makeRelease(control)({ execution, lock, pin });
    expect((await control.pins.list()).map((left) => left.execution)).toEqual(['arn:other']);
  });

  it('F64: pins nothing where a link began to expire meanwhile', async () => {
    await store((n) => (n === 1 ? { state: 'expiring' } : {}));
    expect(await hold('b-3')).toMatchObject({
      error: {
        name: 'Backup.NotRestorable',
        cause: expect.stringContaining('b-2 needs b-1, which is expiring'),
      },
    });
    expect(await pinned()).toEqual([]);
    expect(await control.locks.list()).toEqual([]);
  });

  const fitOn = async (abilities: string[] | undefined, backupId?: string) => {
    const check = example('result-check');
    const tools = { mariadbd: '10.11.6', 'mariadb-backup': '10.11.6' };
    return makeFit({ mintJobId: () => 'job-r' })({
      planned: await planned(backupId),
      check: { ...check, tools, abilities },
    });
  };

  it('orders the whole chain of a runner that can, and refuses one that cannot by name', async () => {
    await store();
    const fits = await fitOn(['incremental']);
    expect(fits).toMatchObject({
      outcome: 'fits',
      order: { backupId: 'b-3', chain: (await planned()).chain },
    });
    expect(await fitOn(undefined, 'b-0')).toMatchObject({ outcome: 'fits' });
    expect(await fitOn(undefined)).toMatchObject({
      error: {
        name: 'Runner.VersionUnsupported',
        cause: expect.stringContaining(
          'restores no incrementals; install this release there, or name the full b-0',
        ),
      },
    });
  });

  it('lends reading rights while every link is good', async () => {
    await store();
    const fits = await fitOn(['incremental']);
    if (fits.outcome !== 'fits' || fits.order.kind !== 'restore') throw new Error('does not fit');
    const order: RestoreOrder = fits.order;
    const secret = 'hV3kq8Zt0pXw6nJc1rBy5mEd9sGf2uLa';
    await control.dispatched({
      ...example('job'),
      ...jobKey(`AROAEXAMPLEROLEID1234:${spare}`, 'job-r'),
      jobId: 'job-r',
      hostId: spare,
      execution,
      lock,
      state: 'claimed',
      order,
      createdAt: '2026-11-23T09:00:00.000Z',
      beatAt: '2026-11-23T09:04:30.000Z',
      deadline: '2026-11-24T09:00:00.000Z',
      claimSecretSha256: createHash('sha256').update(secret).digest('hex'),
    });
    const ask = () =>
      makeBroker({
        ...control,
        roles: { frankfurt: 'arn:aws:iam::111122223333:role/holdfast-restore-frankfurt' },
        write: () => {},
        assumeRole: async () => ({
          accessKeyId: 'a',
          secretAccessKey: 's',
          sessionToken: 't',
          expiration: '2026-11-23T10:00:00.000Z',
        }),
      })({ v: 1, hostId: spare, jobId: 'job-r', secret });
    expect(await ask()).toMatchObject({ outcome: 'granted' });
    const record = await control.backups.get('orders', 'b-1');
    const backup = { ...record!, state: 'quarantined' as const };
    const at = '2026-11-23T09:01:00.000Z';
    await control.backups.apply({ ...example('receipt'), fact: 'quarantined', backupId: 'b-1', at, backup });
    expect(await ask()).toMatchObject({
      outcome: 'refused',
      error: { cause: expect.stringContaining('backup b-1, which b-3 needs, is quarantined') },
    });
  });
});
