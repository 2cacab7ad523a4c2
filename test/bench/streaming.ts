import { GiB, MiB, runBackup, runRival, told, warmUp } from './backup-run.ts';
import { atMost, interleaved, median } from './measure.ts';
import { startSink } from './processes.ts';
import { awsCp, rcloneRcat, tellRival } from './rivals.ts';
import { backupOrder } from './servers.ts';
import type { Bench } from './stand.ts';

const bytes = 4 * GiB;

/**
 * The whole runner, from its start to its last answer, with its index and a CRC32 of every volume, against tools that
 * only upload. The runner's stream is that of a tool's double, whose cost is taken off; rivals read the same bytes
 * from a pipe.
 */
export const streaming: Bench = {
  name: 'streaming',
  about: '4 GiB uncompressed into a discarding store, against aws s3 cp - and rclone rcat',
  run: async (stand) => {
    await warmUp(stand);
    const sink = await startSink(stand.registry, 'discard');
    const { volumeBytes, uploadsInFlight } = backupOrder(await stand.emptyServer(), 'none', bytes, 'b').plan;
    const settings = { partBytes: volumeBytes, concurrency: uploadsInFlight, expectedBytes: bytes };
    stand.say(`parts of ${volumeBytes / MiB} MiB, ${uploadsInFlight} at once, for all`);
    const rivals = [
      awsCp(stand.awsProgram, stand.paths.run, sink.url, settings),
      rcloneRcat(sink.url, settings),
    ];
    for (const rival of rivals) tellRival(rival, stand.say);
    const runs = await interleaved(
      {
        holdfast: () => runBackup(stand, sink, 'none', bytes),
        ...Object.fromEntries(rivals.map((r) => [r.name, () => runRival(stand, r, bytes, sink)])),
      },
      stand.say,
      told,
    );
    await sink.stop();
    const cpu = (name: string) => median(runs[name]!.map((run) => run.cpuPerGiB));
    return {
      table: [
        ['stream of 4 GiB', 'CPU s/GiB', 'of holdfast’s', 'peak MiB', 'wall s'],
        ...Object.entries(runs).map(([name, costs]) => [
          name,
          cpu(name).toFixed(2),
          (cpu(name) / cpu('holdfast')).toFixed(2),
          median(costs.map((cost) => cost.peakMiB)).toFixed(0),
          median(costs.map((cost) => cost.wallSeconds)).toFixed(1),
        ]),
      ],
      measures: rivals.map(({ name, slug }) =>
        atMost(`streaming.cpu-of-${slug}`, cpu('holdfast') / cpu(name), 'ratio', 0.9),
      ),
    };
  },
};
