import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { zstdCompressSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { IndexRow } from '../../../../contract/formats/index-file.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { manifestKey, volumeKey } from '../../../../contract/layout.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { xtrabackupSettingsSchema } from '../../../../contract/records/tool-settings.ts';
import { readIndex } from '../../../../functions/backup/read-index.ts';
import { makeHandler } from '../../../../functions/backup/verify.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { makeMemoryObjects } from '../../../doubles/memory-objects.ts';
import { aBackup } from '../../../doubles/records.ts';
import { orderBackup, storeBackup } from '../../../doubles/stored-backup.ts';

let catalog: ReturnType<typeof makeMemoryCatalog>;
let objects: ReturnType<typeof makeMemoryObjects>;
let place: { clusterId: string; backupId: string };

beforeEach(async () => {
  catalog = makeMemoryCatalog();
  objects = makeMemoryObjects();
  place = await orderBackup(catalog);
});

const now = () => new Date('2026-11-23T02:00:00.000Z');
const verify = (of = place) =>
  makeHandler({ ...catalog, objectsOf: () => objects, now })({ ...of, execution: 'arn:e1' });
const bad = (name: string, cause: string | RegExp) => ({
  outcome: 'bad',
  error: { name, cause: expect.stringMatching(cause) },
});
const differs = (cause: string | RegExp) => bad('Verify.ObjectDiffers', cause);
const changeRow =
  (kind: IndexRow['t'], change: object) =>
  (rows: IndexRow[]): IndexRow[] => {
    const i = rows.findIndex((row) => row.t === kind);
    return rows.with(i, { ...rows[i], ...change } as IndexRow);
  };
/** A good backup of earlier, with as many bytes, tables and rows as given. */
const earlier = (
  backupId: string,
  bytes: number,
  tables = 187,
  rows = 8_240_117,
  startedAt = '2026-11-21T01:00:00.000Z',
) =>
  catalog.backups.apply({
    v: 1,
    fact: 'verified',
    clusterId: 'orders',
    backupId,
    at: '2026-11-22T01:00:00.000Z',
    by: 'arn:e0',
    reasons: [],
    backup: aBackup({ backupId, bytes, tables, rows, startedAt }),
  });

describe('verifying what is stored', () => {
  it('finds a backup good whose objects equal its index, its manifest and its order', async () => {
    storeBackup(objects);
    const manifest = await objects.get(manifestKey(place));
    expect(await verify()).toEqual({
      outcome: 'verified',
      checks: {
        volumes: 3,
        bytes: 24,
        manifestSha256: createHash('sha256')
          .update(manifest?.body ?? '')
          .digest('hex'),
        manifestVersionId: manifest?.versionId,
      },
      reasons: [],
    });
  });

  it('reads no volume again', async () => {
    storeBackup(objects);
    await verify();
    const read = objects.calls.filter((call) => !call.startsWith('head'));
    expect(read).toHaveLength(2);
    expect(read.join()).not.toContain('/volumes/');
  });

  it('finds no backup without a manifest, and none that was not ordered', async () => {
    expect(await verify()).toMatchObject(
      bad('Verify.ObjectMissing', /manifest orders\/backups.* is not stored/),
    );
    const unordered = { clusterId: 'orders', backupId: 'b-forged' };
    expect(await verify(unordered)).toMatchObject(
      bad('Backup.Unknown', /no job was ordered for backup b-forged/),
    );
  });

  it('F58: misses a volume that the index names', async () => {
    storeBackup(objects);
    objects.remove(volumeKey(place, 'main', 1));
    objects.remove(volumeKey(place, 'main', 2));
    expect(await verify()).toMatchObject(
      bad(
        'Verify.ObjectMissing',
        /volumes\/main\/000001 \(version v2\) is not stored \(and 1 more of 3 volumes\)/,
      ),
    );
  });

  it('F27: sees a volume that was put again with other bytes of the same length', async () => {
    storeBackup(objects, {
      rows: (rows) => rows.map((r) => (r.t === 'volume' ? { ...r, version: null } : r)),
    });
    objects.place(volumeKey(place, 'main', 1), 'VOLUME ONE');
    expect(await verify()).toMatchObject(
      differs(/000001 has 10 bytes with CRC32 .*; the index says 10 with/),
    );
  });

  it('sees a volume with another size', async () => {
    storeBackup(objects, {
      rows: (rows) => rows.map((r) => (r.t === 'volume' ? { ...r, version: null } : r)),
    });
    objects.place(volumeKey(place, 'main', 1), 'VOLUME ONE, LONGER');
    expect(await verify()).toMatchObject(differs(/000001 has 18 bytes/));
  });

  it('does not take a version that another put made current', async () => {
    storeBackup(objects);
    objects.place(volumeKey(place, 'main', 1), 'volume one');
    expect(await verify()).toMatchObject(bad('Verify.ObjectMissing', /version v2\) is not stored/));
  });

  it.each([
    ['clusterId', { clusterId: 'other' }],
    ['backupId', { backupId: 'other' }],
    ['jobId', { jobId: 'other' }],
    ['memberId', { memberId: 'other' }],
    ['hostId', { hostId: 'other' }],
    ['slot', { slot: '20261124T0100Z' }],
    ['engine', { engine: 'mongodb' }],
    ['site.bucket', { site: { site: 'frankfurt', bucket: 'other', region: 'eu-central-1' } }],
  ])('counts no manifest whose %s is not the ordered one', async (field, change) => {
    storeBackup(objects, { manifest: (manifest) => ({ ...manifest, ...change }) });
    expect(await verify()).toMatchObject(bad('Backup.Unknown', new RegExp(`${field} is .*, ordered was`)));
  });

  it('M24 counts no manifest that names another key than the order, since a restore would read it on its host', async () => {
    const key = {
      kind: 'file' as const,
      name: '/etc/holdfast/other',
      algorithm: 'AES256' as const,
      check: '00000000',
    };
    storeBackup(objects, {
      manifest: (manifest) => ({ ...manifest, restore: { ...manifest.restore, key } }),
    });
    expect(await verify()).toMatchObject(bad('Backup.Unknown', /restore.key is AES256 of the file .*other/));
    const xtrabackup = xtrabackupSettingsSchema.parse({ encrypt: { keyFile: '/etc/shadow' } });
    storeBackup(objects, {
      manifest: (manifest) => ({ ...manifest, policy: { ...manifest.policy, xtrabackup } }),
    });
    expect(await verify()).toMatchObject(bad('Backup.Unknown', /policy.xtrabackup is .*shadow/));
  });

  it.each(['method', 'level', 'chain', 'parent', 'timeline'])(
    'counts no manifest whose planned %s is not the ordered one',
    async (field) => {
      const value = field === 'method' ? 'logical' : field === 'level' ? 'incremental' : 'other';
      storeBackup(objects, { manifest: (m) => ({ ...m, plan: { ...m.plan, [field]: value } }) });
      expect(await verify()).toMatchObject(bad('Backup.Unknown', new RegExp(`plan.${field} is ${value}`)));
    },
  );

  it.each([
    ['stallSeconds', 7200],
    ['memoryMiB', 16_384],
    ['deadlineHours', 47],
  ])('counts no manifest that gives its restore a %s of its own choice', async (field, value) => {
    storeBackup(objects, {
      manifest: (m) => ({ ...m, policy: { ...m.policy, [field]: value } as never }),
    });
    expect(await verify()).toMatchObject(bad('Backup.Unknown', new RegExp(`policy.${field} is ${value}`)));
  });

  it.each([
    ['in the future, to be the latest for ever', '2026-11-23T02:05:00.001Z', '2026-11-23T02:05:00.001Z'],
    ['before its order', '2026-11-23T00:00:00.000Z', '2026-11-23T01:30:00.000Z'],
    ['ended before it began', '2026-11-23T01:30:00.000Z', '2026-11-23T01:20:00.000Z'],
  ])(
    'F53: counts no manifest from a time when it cannot have been made: %s',
    async (_, startedAt, committedAt) => {
      storeBackup(objects, { manifest: (m) => ({ ...m, startedAt, committedAt }) });
      expect(await verify()).toMatchObject(
        differs(/cannot be right: it says .* is the clock of its host right\?/),
      );
    },
  );

  it('counts no manifest whose metrics are not those of its streams', async () => {
    storeBackup(objects, { manifest: (m) => ({ ...m, metrics: { ...m.metrics, bytes: 1e9 } }) });
    expect(await verify()).toMatchObject(
      differs(/its metrics say 1000000000 bytes, its streams add up to 300/),
    );
  });

  it('reads an index once, and none that is not the job’s own', async () => {
    storeBackup(objects, { manifest: (m) => ({ ...m, streams: [m.streams[0]!, m.streams[0]!] }) });
    expect(await verify()).toMatchObject(differs(/names 2 streams, only 1 differ/));
    const key = 'payroll/backups/b/index/job.jsonl.zst';
    storeBackup(objects, {
      manifest: (m) => ({
        ...m,
        streams: m.streams.map((s) => ({ ...s, index: { ...s.index, key } })),
      }),
    });
    objects.calls.length = 0;
    expect(await verify()).toMatchObject(differs(/the index payroll/));
    expect(objects.calls.filter((call) => call.includes('payroll'))).toEqual([]);
  });

  it('F71 loads no manifest larger than any can be', async () => {
    storeBackup(objects);
    const large = { ...objects, head: async () => ({ bytes: 5e9, crc32: null, versionId: 'v1' }) };
    const handler = makeHandler({ ...catalog, objectsOf: () => large, now });
    objects.calls.length = 0;
    expect(await handler({ ...place, execution: 'arn:e1' })).toMatchObject(differs(/has 5000000000 bytes/));
    expect(objects.calls).toEqual([]);
  });

  it('F71 gives up an index that unpacks to more than any has, in rows or in bytes', async () => {
    const row = (n: number) => ({ t: 'volume', stream: 'main', n, bytes: 1, crc: '00000000', version: null });
    const head = { t: 'head', v: 1, clusterId: 'c', backupId: 'b', jobId: 'j' };
    const text = [head, row(0), row(1), row(2)].map((r) => `${JSON.stringify(r)}\n`).join('');
    const read = (limits: { text: number; volumes: number }) =>
      readIndex(Readable.from([zstdCompressSync(text)]), limits);
    expect((await read({ text: 1e6, volumes: 3 })).outcome).toBe('read');
    expect(await read({ text: 1e6, volumes: 2 })).toMatchObject({
      outcome: 'unreadable',
      cause: expect.stringContaining('more than 2 volumes'),
    });
    expect(await read({ text: 50, volumes: 3 })).toMatchObject({
      outcome: 'unreadable',
      cause: expect.stringContaining('more than 50 bytes'),
    });
  });

  it('reads a manifest of nests and of odd names, and finds that it is none', async () => {
    const key = manifestKey(place);
    for (const text of [
      `{"v":1,"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
      '{"v":1,"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
    ]) {
      storeBackup(objects);
      objects.place(key, text);
      expect((await verify()).outcome).toBe('bad');
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
    }
  });

  it('reads no manifest that is cut', async () => {
    storeBackup(objects);
    const whole = (await objects.get(manifestKey(place)))?.body ?? [];
    objects.place(manifestKey(place), Buffer.from(whole).subarray(0, 1000));
    expect(await verify()).toMatchObject(differs('manifest: not JSON'));
  });

  it('misses the index, and sees that it was put again', async () => {
    const { streams } = storeBackup(objects);
    const key = streams[0]!.index.key;
    objects.place(key, (await objects.get(key))!.body);
    expect(await verify()).toMatchObject(bad('Verify.ObjectMissing', /the index .* is not stored/));
  });

  it('takes no index but the one that the manifest seals', async () => {
    storeBackup(objects, {
      manifest: (m) => ({
        ...m,
        streams: m.streams.map((s) => ({ ...s, index: { ...s.index, sha256: '0'.repeat(64) } })),
      }),
    });
    expect(await verify()).toMatchObject(differs(/with SHA-256 .*; the manifest says \d+ with 0000/));
    storeBackup(objects, {
      manifest: (m) => ({
        ...m,
        streams: m.streams.map((s) => ({ ...s, index: { ...s.index, key: 'other/index.jsonl.zst' } })),
      }),
    });
    expect(await verify()).toMatchObject(differs(/should be orders\/backups\//));
  });

  it.each([
    [
      'a volume twice',
      (rows: IndexRow[]) => [...rows, rows.find((r) => r.t === 'volume')!],
      'lists 4 volumes',
    ],
    ['no volume 0', changeRow('volume', { n: 7 }), 'not each of 0 to 2 once'],
    [
      'a volume too few',
      (rows: IndexRow[]) =>
        rows.toSpliced(
          rows.findLastIndex((r) => r.t === 'volume'),
          1,
        ),
      'lists 2 volumes',
    ],
    [
      'other sizes of volumes',
      changeRow('volume', { bytes: 12 }),
      '25 bytes in its volumes; the manifest says 24',
    ],
    ['other sizes of frames', changeRow('frame', { stored: 12 }), '25 stored bytes in its frames'],
    [
      'other bytes of stream',
      changeRow('frame', { bytes: 101 }),
      '301 bytes of stream in its frames; the manifest says 300',
    ],
    ['frames with a hole', changeRow('frame', { from: 1 }), 'frames of stream main with holes or overlaps'],
    ['the head of another job', changeRow('head', { jobId: 'job-x' }), 'is of orders, .*, job-x'],
    ['two heads', (rows: IndexRow[]) => [rows[0]!, ...rows], 'it has two heads'],
    ['no head', (rows: IndexRow[]) => rows.slice(1), 'does not begin with its head'],
    ['no row', () => [], 'it is empty'],
    ['a row that does not fit', changeRow('volume', { crc: 'zzz' }), 'cannot be read'],
  ] as const)('finds no backup in an index with %s', async (_, rows, cause) => {
    storeBackup(objects, { rows: rows as (r: IndexRow[]) => IndexRow[] });
    expect(await verify()).toMatchObject(differs(new RegExp(cause)));
  });

  it('finds no backup in an index that is cut within a line, or is no zstd', async () => {
    storeBackup(objects, { indexText: (text) => text.slice(0, -3) });
    expect(await verify()).toMatchObject(differs('its last line is cut'));
    const { streams } = storeBackup(objects);
    const key = streams[0]!.index.key;
    storeBackup(objects, {
      manifest: (m) => {
        const version = objects.place(key, 'not zstd');
        return {
          ...m,
          streams: m.streams.map((s) => ({ ...s, index: { ...s.index, version } })),
        };
      },
    });
    expect(await verify()).toMatchObject(differs('cannot be read'));
  });

  it('skips rows of kinds that it does not know', async () => {
    storeBackup(objects, { indexText: (text) => `${text}{"t":"later","x":1}\n` });
    expect((await verify()).outcome).toBe('verified');
  });

  it('tells store errors from damage', async () => {
    storeBackup(objects);
    const failing = { ...objects, head: () => Promise.reject(new Error('503')) };
    await expect(
      makeHandler({ ...catalog, objectsOf: () => failing, now })({ ...place, execution: 'arn:e1' }),
    ).rejects.toThrow('503');
  });

  it('finds a complete backup suspect whose bytes leave the band around the last good ones', async () => {
    await earlier('b-1', 900);
    await earlier('b-2', 1000);
    await earlier('b-3', 1100);
    storeBackup(objects);
    expect(await verify()).toMatchObject({
      outcome: 'suspect',
      checks: { volumes: 3 },
      reasons: [
        'it has 300 bytes; the last 3 good backups have 1000 in the middle, 500 to 1500 would be within 50 %',
      ],
    });
  });

  it('finds it suspect for lost tables and rows, not for more of them', async () => {
    await earlier('b-1', 300, 1000, 100_000_000);
    storeBackup(objects);
    const { reasons } = (await verify()) as { reasons: string[] };
    expect(reasons).toEqual([
      'it has 187 tables; the last 1 good backups have 1000 in the middle, at least 500 would be within 50 %',
      'it has 8240117 rows; the last 1 good backups have 100000000 in the middle, at least 50000000 would be within 50 %',
    ]);
    catalog = makeMemoryCatalog();
    await orderBackup(catalog);
    await earlier('b-1', 300, 1, 1);
    expect((await verify()).outcome).toBe('verified');
  });

  it('F74: finds a backup of nothing suspect, without any history', async () => {
    const metrics = (change: object) => ({
      manifest: (m: ReturnType<typeof storeBackup>) => ({ ...m, metrics: { ...m.metrics, ...change } }),
    });
    storeBackup(objects, metrics({ tables: 0, rows: 0 }));
    expect(await verify()).toMatchObject({ outcome: 'suspect', reasons: ['it holds no table'] });
    storeBackup(objects, metrics({ rows: 0 }));
    expect(await verify()).toMatchObject({ reasons: ['none of its 187 tables has a row'] });
  });

  describe('after a suspect backup', () => {
    /** The suspect one right before, with 290 bytes where the history has 1000. */
    const suspected = (change: Partial<BackupRecord> = {}) =>
      catalog.backups.apply({
        v: 1,
        fact: 'suspect',
        clusterId: 'orders',
        backupId: 'b-suspect',
        at: '2026-11-22T23:00:00.000Z',
        by: 'arn:e0',
        reasons: ['it has 290 bytes'],
        backup: aBackup({
          backupId: 'b-suspect',
          state: 'suspect',
          startedAt: '2026-11-22T22:00:00.000Z',
          committedAt: '2026-11-22T23:00:00.000Z',
          bytes: 290,
          tables: 187,
          rows: 8_240_000,
          ...change,
        }),
      });

    it('finds both good that deviate from the history in the same way and agree: the change is real', async () => {
      await earlier('b-1', 1000);
      await suspected();
      storeBackup(objects);
      expect(await verify()).toMatchObject({
        outcome: 'verified',
        confirms: 'b-suspect',
        reasons: [
          expect.stringMatching(
            /^the change is real: b-suspect and .* deviate from the history in the same way \(bytes below\) and agree/,
          ),
        ],
      });
    });

    it.each<[string, Partial<BackupRecord>]>([
      ['that does not agree with it', { bytes: 100 }],
      ['that deviates in another way', { bytes: 1600 }],
      ['that deviates in one way more', { tables: 50 }],
      ['of another level', { level: 'incremental' }],
      ['that came later', { startedAt: '2026-11-23T22:00:00.000Z' }],
    ])('stays suspect beside one %s', async (_, change) => {
      await earlier('b-1', 1000);
      await suspected(change);
      storeBackup(objects);
      expect((await verify()).outcome).toBe('suspect');
    });

    it('stays suspect when a good one lies between', async () => {
      await suspected();
      await earlier('b-1', 1000, 187, 8_240_117, '2026-11-22T22:30:00.000Z');
      storeBackup(objects);
      expect((await verify()).outcome).toBe('suspect');
    });

    it('is good without confirming anything when it is as the history', async () => {
      await earlier('b-1', 300);
      await suspected({ bytes: 10 });
      storeBackup(objects);
      expect(await verify()).toMatchObject({ outcome: 'verified', reasons: [] });
      expect(await verify()).not.toHaveProperty('confirms');
    });

    it('F74: a second backup of nothing confirms nothing', async () => {
      await earlier('b-1', 1000);
      await suspected({ bytes: 300, tables: 0, rows: 0 });
      storeBackup(objects, {
        manifest: (m) => ({ ...m, metrics: { ...m.metrics, tables: 0, rows: 0 } }),
      });
      expect((await verify()).outcome).toBe('suspect');
    });

    it('stays suspect when its data changed too much while it was taken', async () => {
      await earlier('b-1', 1000);
      await suspected();
      storeBackup(objects, { manifest: withBefore(10) });
      expect((await verify()).outcome).toBe('suspect');
    });
  });

  /** A reading before the tool ran that has so many times the rows of the one after it. */
  const withBefore = (times: number) => (m: Manifest) => ({
    ...m,
    fingerprintBefore: {
      ...m.fingerprint,
      tables: m.fingerprint.tables.map((t) => ({ ...t, rows: t.rows * times })),
    },
  });

  it('finds it suspect when what was read before the tool and after it lie too far apart', async () => {
    storeBackup(objects, { manifest: withBefore(1.5) });
    expect((await verify()).outcome).toBe('verified');
    storeBackup(objects, { manifest: withBefore(3) });
    expect(await verify()).toMatchObject({
      outcome: 'suspect',
      reasons: ['it had 3613662 rows before the tool ran and 1204554 after it, more than 50 % apart'],
    });
  });
});
