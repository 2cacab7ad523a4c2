import type { Manifest } from '../../../contract/formats/manifest.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import type { Engine, EngineContext, StoredBackup, StoredFiles } from '../../../runner/engines/engine.ts';
import { composeManifest } from '../../../runner/job/manifest.ts';
import { openSinks } from '../../../runner/stream/sink.ts';
import { openStored } from '../../../runner/stream/stored.ts';

export type StoredJob = {
  manifest: Manifest;
  objects: ReadonlyMap<string, Buffer>;
  /** Opens it anew; `fetched` counts the bytes of volumes that were asked for since. */
  open: () => Promise<{ stored: StoredBackup & StoredFiles; fetched: () => number }>;
};

/** Runs the engine's backup through the runner's own frames, volumes and index into a store in memory. */
export async function storeBackupInMemory(
  engine: Engine,
  order: BackupOrder,
  context: EngineContext,
): Promise<StoredJob> {
  const objects = new Map<string, Buffer>();
  const startedAt = new Date();
  const sinks = openSinks({
    place: order,
    jobId: 'j-1',
    plan: order.plan,
    policy: { codec: 'zstd', zstdLevel: 1 },
    putObject: async ({ key, body }) => {
      objects.set(key, Buffer.from(body));
      return { versionId: null };
    },
    spoolDir: context.workDir,
  });
  const facts = await engine.backup(order, sinks, context);
  const streams = await sinks.finish();
  const job = { jobId: 'j-1', hostId: 'mi-0abc', runnerVersion: '1', startedAt, committedAt: new Date() };
  const manifest = composeManifest(order, facts, streams, job);
  return {
    manifest,
    objects,
    open: async () => {
      let fetched = 0;
      const stored = await openStored({
        manifest,
        getObject: async ({ key, from, into }) => {
          if (key.includes('/volumes/')) fetched += into.length;
          objects.get(key)!.copy(into, 0, from, from + into.length);
        },
        signal: context.signal,
        memoryMiB: 512,
      });
      return { stored, fetched: () => fetched };
    },
  };
}
