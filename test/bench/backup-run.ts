import type { BackupResult } from '../../contract/records/job.ts';
import type { JobRun } from './measured-host.ts';
import { measure, program, type Sink, startSink } from './processes.ts';
import type { Rival } from './rivals.ts';
import { backupOrder } from './servers.ts';
import type { Stand } from './stand.ts';

export const GiB = 1024 ** 3;
export const MiB = 1024 ** 2;

/** What a stream cost: seconds of processor time for each GiB, peak memory in MiB, stored bytes for each of the stream. */
export type StreamCost = { cpuPerGiB: number; peakMiB: number; wallSeconds: number; ratio: number };

export const told = ({ cpuPerGiB, peakMiB, wallSeconds }: StreamCost) =>
  `${cpuPerGiB.toFixed(2)} CPU s/GiB, ${peakMiB.toFixed(0)} MiB, ${wallSeconds.toFixed(1)} s`;

let backups = 0;

/** A whole backup by the bundled runner: its tool's double streams `bytes` of pages before the real tool's stream. */
export async function runBackup(
  stand: Stand,
  sink: Sink,
  codec: 'zstd' | 'none',
  bytes: number,
): Promise<StreamCost> {
  const [host, sample, server] = [await stand.host(), await stand.sample(), await stand.emptyServer()];
  const before = await sink.counts();
  backups += 1;
  const order = backupOrder(server, codec, bytes, `b-${backups}`);
  const run = await host.run(order, { store: sink.url, tool: { sample, pages: bytes, prepared: '' } });
  const result = resultOf(run);
  const after = await sink.counts();
  // Index, log and manifest come besides the volumes.
  if (after.bytes - before.bytes < result.storedBytes || after.damaged > 0) {
    throw new Error(
      `the sink got ${after.bytes - before.bytes} of ${result.storedBytes} bytes, ${after.damaged} damaged`,
    );
  }
  return {
    cpuPerGiB: run.cpuSeconds / (result.bytes / GiB),
    peakMiB: run.peakBytes / MiB,
    wallSeconds: run.wallSeconds,
    ratio: result.storedBytes / result.bytes,
  };
}

/** The result of a backup that must have succeeded. */
export function resultOf({ row }: JobRun): BackupResult {
  if (row.state !== 'succeeded') throw new Error(`the job is ${row.state}: ${row.error?.cause}`);
  return row.result as BackupResult;
}

/** The same pages through a rival. With a sink it must have got all of them. */
export async function runRival(stand: Stand, rival: Rival, bytes: number, sink?: Sink): Promise<StreamCost> {
  const sample = await stand.sample();
  const before = await sink?.counts();
  const cost = await measure(
    stand.registry,
    {
      command: rival.command,
      env: rival.env,
      producer: [process.execPath, ...program('pages', sample, String(bytes))],
    },
    stand.paths.run,
  );
  const after = await sink?.counts();
  if (before && after && after.bytes - before.bytes < bytes) {
    throw new Error(`${rival.name}: the sink got ${after.bytes - before.bytes} of ${bytes} bytes`);
  }
  return {
    cpuPerGiB: cost.cpuSeconds / (bytes / GiB),
    peakMiB: cost.peakBytes / MiB,
    wallSeconds: cost.wallSeconds,
    ratio: 1,
  };
}

/** A first job fills the runner's compile cache, as the check at a host's registration does. */
export async function warmUp(stand: Stand): Promise<void> {
  const sink = await startSink(stand.registry, 'check');
  await runBackup(stand, sink, 'zstd', 256 * MiB);
  const { checked } = await sink.counts();
  if (checked === 0) throw new Error('no object of the runner carried a CRC32');
  await sink.stop();
}
