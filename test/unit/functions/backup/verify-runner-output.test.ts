import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import { manifestKey } from '../../../../contract/layout.ts';
import { makeHandler } from '../../../../functions/backup/verify.ts';
import { openSinks } from '../../../../runner/stream/sink.ts';
import { makeMemoryCatalog } from '../../../doubles/memory-catalog.ts';
import { makeMemoryObjects } from '../../../doubles/memory-objects.ts';
import { aManifest } from '../../../doubles/records.ts';
import { orderBackup } from '../../../doubles/stored-backup.ts';

/** Streams five files, half of them compressible, through the runner's own upload; answers what verify says. */
async function backUpAndVerify(codec: 'zstd' | 'none') {
  const spoolDir = mkdtempSync(join(tmpdir(), 'holdfast-verify-'));
  const objects = makeMemoryObjects();
  const catalog = makeMemoryCatalog();
  const place = await orderBackup(catalog);
  const manifest = aManifest();
  const sinks = openSinks({
    place: { clusterId: place.clusterId, backupId: place.backupId },
    jobId: manifest.jobId,
    plan: { volumeBytes: 1024 ** 2, uploadsInFlight: 2, frameBytes: 256 * 1024 },
    policy: { codec, zstdLevel: 1 },
    putObject: async ({ key, body }) => ({ versionId: objects.place(key, body) }),
    spoolDir,
  });
  const stream = sinks.open('main');
  for (let file = 0; file < 5; file++) {
    await stream.write(file % 2 === 0 ? randomBytes(700_001) : Buffer.alloc(1_500_000, 'row '));
    stream.fileBoundary();
  }
  const streams = await sinks.finish();
  rmSync(spoolDir, { recursive: true });
  const [sums] = streams;
  const metrics = { ...manifest.metrics, bytes: sums!.bytes, storedBytes: sums!.storedBytes };
  objects.place(manifestKey(place), encodeManifest({ ...manifest, streams, metrics }));
  const answer = await makeHandler({
    ...catalog,
    objectsOf: () => objects,
    now: () => new Date('2026-11-23T02:00:00.000Z'),
  })({
    clusterId: place.clusterId,
    backupId: place.backupId,
    execution: 'arn:e1',
  });
  return { answer, streams };
}

describe('what the runner uploads', () => {
  it.each(['zstd', 'none'] as const)('is verified as it is with codec %s', async (codec) => {
    const { answer, streams } = await backUpAndVerify(codec);
    expect(streams[0]?.volumes).toBeGreaterThan(2);
    expect(answer).toMatchObject({
      outcome: 'verified',
      checks: { volumes: streams[0]?.volumes, bytes: streams[0]?.storedBytes },
    });
  });
});
