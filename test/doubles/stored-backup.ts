import { createHash } from 'node:crypto';
import { crc32, zstdCompressSync } from 'node:zlib';
import { encodeManifest } from '../../contract/formats/codec.ts';
import type { IndexRow } from '../../contract/formats/index-file.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { indexKey, manifestKey, volumeKey } from '../../contract/layout.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { Catalog } from '../../functions/catalog/catalog.ts';
import type { MemoryObjects } from './memory-objects.ts';
import { aJobRow, aManifest, anOrder, aRunningBackup } from './records.ts';

/** What may be changed before a backup is stored: rows of the index, the manifest. */
export type Tampering = {
  volumes?: string[];
  rows?: (rows: IndexRow[]) => IndexRow[];
  /** The whole text of the index, before compression. */
  indexText?: (text: string) => string;
  manifest?: (manifest: Manifest) => Manifest;
};

/** Puts volumes, index and manifest of one small, consistent backup, as a runner would. */
export function storeBackup(objects: MemoryObjects, tampering: Tampering = {}): Manifest {
  const base = aManifest();
  const place = { clusterId: base.clusterId, backupId: base.backupId };
  const rows: IndexRow[] = [{ t: 'head', v: 1, ...place, jobId: base.jobId }];
  let from = 0;
  let storedBytes = 0;
  const bodies = tampering.volumes ?? ['volume zero', 'volume one', 'two'];
  bodies.forEach((body, n) => {
    const version = objects.place(volumeKey(place, 'main', n), body);
    const stored = Buffer.byteLength(body);
    rows.push(
      { t: 'chunk', stream: 'main', path: `shop/t${n}.ibd`, off: 0, bytes: 90, from, crc: '00000000' },
      { t: 'frame', stream: 'main', n, at: 0, stored, from, bytes: 100 },
      {
        t: 'volume',
        stream: 'main',
        n,
        bytes: stored,
        crc: crc32(body).toString(16).padStart(8, '0'),
        version,
      },
    );
    from += 100;
    storedBytes += stored;
  });
  const lines = (tampering.rows ?? ((r) => r))(rows).map((row) => `${JSON.stringify(row)}\n`);
  const index = zstdCompressSync((tampering.indexText ?? ((t) => t))(lines.join('')));
  const key = indexKey(place, base.jobId);
  const version = objects.place(key, index);
  const manifest: Manifest = {
    ...base,
    streams: [
      {
        stream: 'main',
        jobId: base.jobId,
        codec: 'zstd',
        volumes: bodies.length,
        bytes: from,
        storedBytes,
        frames: bodies.length,
        index: {
          key,
          bytes: index.length,
          sha256: createHash('sha256').update(index).digest('hex'),
          version,
        },
      },
    ],
    metrics: { ...base.metrics, bytes: from, storedBytes },
  };
  const stored = (tampering.manifest ?? ((m) => m))(manifest);
  objects.place(manifestKey(place), encodeManifest(stored));
  return stored;
}

/** Orders the backup that `storeBackup` stores; answers its running record. */
export async function orderBackup(catalog: Catalog, execution = 'arn:e1'): Promise<BackupRecord> {
  const order = anOrder();
  const { jobId } = aManifest();
  const running = aRunningBackup({ execution });
  const userid = `AROAEXAMPLE:${order.member.hostId}`;
  const row = aJobRow(userid, jobId, { execution, order, clusterId: order.clusterId });
  const written = await catalog.jobs.dispatch({ ...row, hostId: order.member.hostId }, userid, running);
  if (written.outcome !== 'written') throw new Error(`the order was not written: ${written.outcome}`);
  return running;
}
