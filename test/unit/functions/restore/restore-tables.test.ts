import { createHash } from 'node:crypto';
import { zstdCompressSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import type { IndexRow } from '../../../../contract/formats/index-file.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { indexKey, manifestKey } from '../../../../contract/layout.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { type CheckResult, type JobRow, jobKey } from '../../../../contract/records/job.ts';
import {
  restoreTablesOrderSchema,
  type TablesInspection,
} from '../../../../contract/records/restore-tables.ts';
import { makeHandler as makeBroker } from '../../../../functions/restore/broker.ts';
import { makeHandler as makeFit, misfitsOf } from '../../../../functions/restore/fit-restore.ts';
import {
  makeHandler as makePlan,
  type PlannedRestore,
  plannedRestoreSchema,
} from '../../../../functions/restore/plan-restore.ts';
import { makeHandler as makeRecord } from '../../../../functions/restore/record-restore.ts';
import { findTables } from '../../../../functions/restore/tables/find-tables.ts';
import { nameBeside } from '../../../../functions/restore/tables/name-beside.ts';
import { type PlannedTables, planTables } from '../../../../functions/restore/tables/plan-tables.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';

const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:tables';
const member = example('cluster').document.members[0]!;
const { hostId } = member;
const target = { hostId, directory: '/data2/scratch', port: 3316, user: 'mysql' };
const input = {
  v: 1,
  clusterId: 'orders',
  backupId: 'latest',
  tables: ['shop.orders'],
  into: member.memberId,
  target,
};
const KiB = 1024;

/** Files of one size each, one after the other, in frames of 100 KiB that shrink to a half. */
function indexOf(
  paths: readonly string[],
  fileBytes: number,
  spaces: Record<string, number> = {},
): IndexRow[] {
  const rows: IndexRow[] = [];
  let from = 0;
  for (const path of paths) {
    const begin = from;
    from += 40;
    rows.push({ t: 'chunk', stream: 'main', path, off: 0, bytes: fileBytes, from, crc: '00000000' });
    from += fileBytes;
    const space = spaces[path];
    const chunks = { path, from: begin, to: from };
    rows.push({ t: 'file', stream: 'main', path, bytes: fileBytes, chunks, ...(space && { space }) });
    from += 14;
  }
  for (let at = 0; at < from; at += 100 * KiB) {
    const bytes = Math.min(100 * KiB, from - at);
    rows.push({
      t: 'frame',
      stream: 'main',
      n: 0,
      at: at / 2,
      stored: Math.ceil(bytes / 2),
      from: at,
      bytes,
    });
  }
  return rows;
}

const paths = [
  'ibdata1',
  'ib_logfile0',
  'backup-my.cnf',
  'mysql/db.MAD',
  'shop/orders.frm',
  'shop/orders.ibd',
  'shop/customers.frm',
  'shop/customers.ibd',
  'shop/FTS_0000000000000013_CONFIG.ibd',
  'shop/sessions.frm',
  'shop/large.frm',
  'shop/large.ibd',
];

let control: MemoryControl;

async function store(
  change: (manifest: Manifest) => void = () => undefined,
  files = paths,
  recorded: Partial<BackupRecord> = {},
  spaces: Record<string, number> = {},
) {
  const manifest = example('manifest');
  manifest.backupId = recorded.backupId ?? manifest.backupId;
  const index = zstdCompressSync(
    indexOf(files, 300 * KiB, spaces)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
  );
  const key = indexKey(manifest, manifest.jobId);
  const sha256 = createHash('sha256').update(index).digest('hex');
  const [stream] = manifest.streams;
  manifest.streams = [{ ...stream!, index: { key, bytes: index.length, sha256, version: null } }];
  manifest.fingerprint.tables = ['orders', 'customers', 'large', 'sessions'].map((table) => ({
    schema: 'shop',
    table,
    rows: 7,
    checksum: table === 'sessions' ? null : '1:2',
  }));
  const orders = { schema: 'shop', table: 'orders' };
  manifest.relations = [
    { ...orders, references: [{ schema: 'shop', table: 'customers' }], fullText: '0000000000000013' },
  ];
  change(manifest);
  const text = encodeManifest(manifest);
  const manifestSha256 = createHash('sha256').update(text).digest('hex');
  const backup = { ...example('backup'), ...recorded, manifestSha256 };
  control.objects.put(backup.site.bucket, key, index);
  control.objects.put(backup.site.bucket, manifestKey(backup), text);
  await control.backups.apply({ ...example('receipt'), backupId: backup.backupId, backup });
  return { manifest, backup };
}

const plan = (more: object = {}) =>
  makePlan({ ...control, sites, mintJobId: () => 'job-check-1' })({
    execution,
    input: { ...input, ...more },
  });
const planned = async () => {
  const answer = await plan();
  if (answer.outcome !== 'planned') throw new Error(answer.error.cause);
  return answer;
};

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:00:00.000Z');
  await control.clusters.restore(example('cluster'));
  const host = example('host');
  await control.hosts.restore({ ...host, document: { ...host.document, hostId, purposes: ['database'] } });
});

describe('a plan for single tables', () => {
  it('names what is read, for what, and asks the member before anything is touched', async () => {
    const { manifest } = await store();
    const answer = await planned();
    const wanted = [{ schema: 'shop', table: 'orders', as: 'orders_restored_20261123_010741' }];
    expect(manifest.fingerprint.takenAt).toBe('2026-11-23T01:07:41.201Z');
    expect(answer).toMatchObject({
      lock: `target:${hostId}:/data2/scratch`,
      check: { hostId, order: { kind: 'check', target, member, tables: wanted } },
      tables: { wanted, ancestors: [{ schema: 'shop', table: 'customers' }], member },
    });
    expect(plannedRestoreSchema.parse(answer)).toEqual(answer);
    const { reading } = answer.tables!;
    // orders.frm, orders.ibd and the file of its FULLTEXT index; customers; the four of the server.
    expect([reading.tables, reading.ancestors, reading.fixed].map(({ bytes }) => bytes / KiB)).toEqual([
      900, 600, 1200,
    ]);
    for (const part of [reading.tables, reading.ancestors, reading.fixed]) {
      expect(part.storedBytes).toBeGreaterThanOrEqual(part.bytes / 2);
      expect(part.storedBytes).toBeLessThan(part.bytes / 2 + KiB);
    }
    // Each run of files shares at most a frame at either end.
    expect(reading.tables.readBytes).toBeLessThan(reading.tables.storedBytes + 4 * 50 * KiB + KiB);
    expect(answer.need.bytes).toBeLessThan(manifest.restore.bytes);
  });

  it.each([
    [
      { tables: ['shop.oders'] },
      'Restore.TableUnknown',
      'tables[0]: shop.oders is no table of the backup; there are shop.orders',
    ],
    [
      { tables: ['shop.orders', 'orders'] },
      'Restore.TableUnknown',
      'tables[1]: orders is no table of the backup; there are shop.orders',
    ],
    [{ tables: ['shop.sessions'] }, 'Restore.TableUnfit', 'keeps no rows in files'],
    [
      { into: 'orders-z' },
      'Input.Invalid',
      'into: orders-z is no member of orders; there are orders-a, orders-b',
    ],
    [{ into: 'orders-b' }, 'Input.Invalid', 'target.hostId: tables are prepared on the host of the member'],
    [{ tables: [] }, 'Input.Invalid', 'tables'],
    [{ until: 'latest' }, 'Restore.PointOutside', 'no log of orders is archived'],
  ])('%j is refused with %s and what would be right', async (wrong, name, said) => {
    await store();
    expect(await plan(wrong)).toMatchObject({
      outcome: 'refused',
      error: { name, cause: expect.stringContaining(said) },
    });
  });

  it('reads of a dump the rows of the tables and the definitions, and nothing of what they point to', async () => {
    const dump = [
      'holdfast/definitions.jsonl',
      'dump/metadata',
      'dump/shop.orders.sql',
      'dump/shop.orders.00001.sql',
      'dump/shop.orders.00000.00002.sql',
      'dump/shop.orders-schema.sql',
      'dump/shop.orders_old.sql',
      'dump/shop.customers.sql',
    ];
    const { manifest, backup } = await store((of) => {
      of.plan.method = 'logical';
    }, dump);
    const whole = await planned();
    const { tables } = whole;
    expect(tables?.ancestors).toEqual([]);
    const kilobytes = ({ reading }: PlannedTables) =>
      [reading.tables, reading.ancestors, reading.fixed].map(({ bytes }) => bytes / KiB);
    expect(kilobytes(tables!)).toEqual([900, 0, 300]);

    // M04: rows go with those that they point to, once a log is replayed.
    const request = { tables: ['shop.orders'], until: 'latest' as const };
    const objects = control.objectsOf(backup.site);
    const answer = await planTables(request, manifest, [], member, objects, manifest.committedAt);
    if (answer.outcome === 'refused') throw new Error(answer.error.cause);
    expect(answer.tables.ancestors).toEqual([{ schema: 'shop', table: 'customers' }]);
    expect(kilobytes(answer.tables)).toEqual([900, 300, 300]);
    const check = { ...example('result-check'), abilities: ['logical', 'replay', 'tables'] };
    const log = {} as NonNullable<PlannedRestore['log']>;
    const misfits = misfitsOf({ ...whole, log }, { ...check, target: check.target! });
    expect(misfits.map(({ cause }) => cause).join()).toContain('replays no logs on tables of a dump');
  });

  it('refuses a table that came while the backup ran, and an index that is not the one recorded', async () => {
    await store(
      undefined,
      paths.filter((path) => path !== 'shop/orders.frm'),
    );
    expect(await plan()).toMatchObject({
      error: {
        name: 'Restore.TableUnknown',
        cause: expect.stringContaining('shop.orders came while the backup ran'),
      },
    });
    await store((manifest) => {
      manifest.streams[0]!.index.sha256 = 'f'.repeat(64);
    });
    expect(await plan()).toMatchObject({ error: { name: 'Backup.NotRestorable' } });
  });

  const origin = { uuid: 'u', serverId: 2, datadir: '/var/lib/mysql', files: 'f' };
  const onTop = [
    'ibdata1.delta',
    'ib_logfile0',
    ...['shop/orders.frm', 'shop/orders.ibd.meta', 'shop/orders.ibd.delta'],
    ...['shop/customers.frm', 'shop/customers.ibd.meta', 'shop/customers.ibd.delta'],
    ...['shop/large.frm', 'shop/large.ibd.meta', 'shop/large.ibd.delta'],
  ];
  const storeChain = async (below: Record<string, number>) => {
    const { backup } = await store(
      undefined,
      paths,
      { origin, lsn: { from: '0', to: '7', last: '7' } },
      below,
    );
    const later = {
      backupId: 'b-incremental',
      level: 'incremental' as const,
      startedAt: '2026-11-23T03:00:00.000Z',
      lsn: { from: '7', to: '9', last: '9' },
      chain: backup.backupId,
      parent: backup.backupId,
      origin,
    };
    const of = { 'shop/orders.ibd.meta': 11, 'shop/customers.ibd.meta': 12, 'shop/large.ibd.meta': 13 };
    await store((manifest) => Object.assign(manifest.plan, later), onTop, later, of);
    return backup.backupId;
  };

  it('reads of an incremental what its whole chain has of the tables, under the names of then', async () => {
    // What is orders now was large when the full was taken.
    const base = await storeChain({
      'shop/orders.ibd': 13,
      'shop/customers.ibd': 12,
      'shop/large.ibd': 11,
      'shop/FTS_0000000000000013_CONFIG.ibd': 14,
    });
    const answer = await planned();
    expect(answer).toMatchObject({ backupId: 'b-incremental' });
    expect(answer.chain?.map(({ backupId }) => backupId)).toEqual([base, 'b-incremental']);
    const { reading } = answer.tables!;
    expect([reading.tables, reading.ancestors, reading.fixed].map(({ bytes }) => bytes / KiB)).toEqual([
      900 + 300 + 900,
      600 + 900,
      1200 + 600,
    ]);
    expect(answer.tables?.ancestors).toEqual([{ schema: 'shop', table: 'customers' }]);
    const fitWith = (abilities: string[]) =>
      makeFit({ mintJobId: () => 'job-tables-1' })({
        planned: answer,
        check: {
          ...example('result-check'),
          tables: { way: 'copy', refusals: [], sameDisk: false },
          abilities,
        },
      });
    expect(await fitWith(['incremental', 'tables'])).toMatchObject({
      error: {
        name: 'Runner.VersionUnsupported',
        cause: expect.stringContaining(
          `restores no tables of incrementals; install this release there, or name the full ${base}`,
        ),
      },
    });
    expect(await fitWith(['incremental', 'tables', 'tables-of-chains'])).toMatchObject({
      outcome: 'fits',
      order: { kind: 'restore-tables', backupId: 'b-incremental', chain: answer.chain },
    });
  });

  it('refuses a chain whose indexes do not say which tablespace is whose, with the full that can be had', async () => {
    const base = await storeChain({});
    expect(await plan()).toMatchObject({
      error: { name: 'Restore.NotYet', cause: expect.stringContaining(`name the full ${base}`) },
    });
    expect(await plan({ backupId: base })).toMatchObject({ outcome: 'planned', backupId: base });
  });
});

describe('whether member and host fit', () => {
  it('asks of the runner of a host whether it replays the log of MySQL on single tables', async () => {
    await store();
    const gtid = '3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9';
    const position = { kind: 'mysql' as const, flavour: 'mysql' as const, gtid };
    const key = 'orders/logs/main/t-1/2026-11-23/000000000-a.segment';
    const ends = [{ key, crc: '00000000' }];
    const timeline = '20261123T010000Z-a';
    const log = {
      set: 'main',
      timeline,
      from: position,
      until: position,
      first: key,
      ends,
      segments: 1,
      bytes: 1,
    };
    const of = { ...(await planned()), flavour: 'mysql' as const, log };
    const fitWith = (abilities: string[]) =>
      makeFit({ mintJobId: () => 'job-tables-1' })({
        planned: of,
        check: {
          ...example('result-check'),
          tools: { xtrabackup: '8.4.0-5', mysqld: '8.4.9', xbstream: null },
          tables: { way: 'copy', refusals: [], sameDisk: false },
          abilities,
        },
      });
    expect(await fitWith(['tables', 'relay-replay'])).toMatchObject({
      error: {
        name: 'Runner.VersionUnsupported',
        cause: expect.stringContaining('replays no logs of mysql on single tables'),
      },
    });
  });

  const fitted = async (
    found: { tables?: TablesInspection | undefined; free?: number } = {},
    of?: PlannedRestore,
  ) => {
    const check: CheckResult = example('result-check');
    const tables = 'tables' in found ? found.tables : { way: 'copy' as const, refusals: [], sameDisk: true };
    return makeFit({ mintJobId: () => 'job-tables-1' })({
      planned: of ?? (await planned()),
      check: {
        ...check,
        member: { ...check.member!, freeBytes: found.free ?? check.member!.freeBytes },
        ...(tables === undefined ? {} : { tables }),
      },
    });
  };

  it('orders the tables of the member', async () => {
    await store();
    const answer = await fitted();
    expect(answer).toMatchObject({ outcome: 'fits', hostId });
    if (answer.outcome !== 'fits') return;
    expect(restoreTablesOrderSchema.parse(answer.order)).toMatchObject({
      kind: 'restore-tables',
      member,
      tables: [{ table: 'orders', as: 'orders_restored_20261123_010741' }],
      ancestors: [{ schema: 'shop', table: 'customers' }],
      target,
    });
  });

  it('refuses what the member refused, a disk without room for both, and a runner that knows no tables', async () => {
    await store();
    const refusals = [
      { name: 'Restore.TableExists', cause: 'tables: shop.orders_restored_1 is on orders-a already' },
    ];
    expect(await fitted({ tables: { way: 'copy', refusals, sameDisk: true } })).toMatchObject({
      outcome: 'refused',
      error: { name: 'Restore.TableExists', facts: { field: 'tables' } },
    });
    const { tables } = await planned();
    const free = tables!.liveBytes + 1000;
    const error = { name: 'Restore.NoSpace', cause: expect.stringContaining('on the same disk') };
    expect(await fitted({ free })).toMatchObject({ outcome: 'refused', error });
    expect(await fitted({ free, tables: { way: 'copy', refusals: [], sameDisk: false } })).toMatchObject({
      outcome: 'fits',
    });
    expect(await fitted({ tables: undefined })).toMatchObject({
      error: {
        name: 'Runner.VersionUnsupported',
        cause: expect.stringContaining('restores no single tables'),
      },
    });
  });
});

describe('what a job of tables may read, and what it says', () => {
  const order = example('order-restore-tables');
  const result = example('result-restore-tables');
  const secret = 'hV3kq8Zt0pXw6nJc1rBy5mEd9sGf2uLa';
  const row: JobRow = {
    ...example('job'),
    ...jobKey(`AROAEXAMPLEROLEID1234:${hostId}`, result.jobId),
    jobId: result.jobId,
    hostId,
    execution,
    lock: null,
    order,
    state: 'claimed',
    createdAt: '2026-11-23T08:59:00.000Z',
    claimedAt: '2026-11-23T08:59:05.000Z',
    beatAt: '2026-11-23T08:59:50.000Z',
    deadline: '2026-11-24T09:00:00.000Z',
    claimSecretSha256: createHash('sha256').update(secret).digest('hex'),
  };

  it('is the backup that was ordered, while its lock is held', async () => {
    await store();
    const lock = `target:${hostId}:/data2/scratch`;
    await control.dispatched({ ...row, lock });
    await control.locks.take(lock, execution, '2026-11-23T08:59:00.000Z');
    const ask = makeBroker({
      ...control,
      roles: { frankfurt: 'arn:aws:iam::111122223333:role/holdfast-restore-frankfurt' },
      write: () => {},
      assumeRole: async () => ({
        accessKeyId: 'ASIA1',
        secretAccessKey: 'k',
        sessionToken: 't',
        expiration: '2026-11-23T10:05:00.000Z',
      }),
    });
    expect(await ask({ v: 1, hostId, jobId: row.jobId, secret })).toMatchObject({ outcome: 'granted' });
  });

  it('is recorded without a receipt: tables prove themselves, not their backup', async () => {
    const { backup } = await store();
    await control.dispatched(row);
    const of = { execution, clusterId: backup.clusterId, backupId: backup.backupId };
    expect(await makeRecord(control)({ ...of, result })).toMatchObject({
      outcome: 'recorded',
      state: 'verified',
      memberId: 'orders-a',
      tables: 1,
      rows: 1_204_551,
      seconds: 47.5,
      restored: [{ as: 'orders_restored_20261123_010741', way: 'copy' }],
    });
    expect(control.objects.keys(backup.site.bucket).filter((key) => key.includes('proven'))).toEqual([]);
    const other = makeRecord(control)({ ...of, result: { ...example('result-restore'), jobId: row.jobId } });
    await expect(other).rejects.toMatchObject({ name: 'Job.NotLive' });
  });
});

describe('names of tables', () => {
  it('may be of two tables at once, and are then refused with both', () => {
    const known = [
      { schema: 'a.b', table: 'c', checksum: '1:1' },
      { schema: 'a', table: 'b.c', checksum: '1:1' },
    ];
    expect(findTables(['a.b.c'], known)).toMatchObject({
      outcome: 'unfit',
      why: expect.stringContaining('the table c of a.b or b.c of a'),
    });
    expect(findTables(['zzz.zzzzzz'], known)).toMatchObject({
      outcome: 'unknown',
      why: 'is no table of the backup, which has 2; tables are named schema.table',
    });
  });

  it('beside the live ones stay below 64 characters and apart', () => {
    const at = '2026-11-23T01:07:41.201Z';
    expect(nameBeside('orders', at)).toBe('orders_restored_20261123_010741');
    const long = ['a'.repeat(63), `${'a'.repeat(62)}b`, '𝒳'.repeat(32)].map((name) => nameBeside(name, at));
    expect(new Set(long).size).toBe(3);
    for (const name of long) {
      expect(name.length).toBeLessThanOrEqual(64);
      expect(name.isWellFormed()).toBe(true);
      expect(name).toMatch(/_[0-9a-f]{8}_restored_20261123_010741$/);
    }
  });
});
