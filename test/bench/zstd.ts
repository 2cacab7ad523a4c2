import { GiB, runBackup, runRival, told, warmUp } from './backup-run.ts';
import { atMost, interleaved, median } from './measure.ts';
import { startSink } from './processes.ts';
import { tellRival, zstdCli } from './rivals.ts';
import type { Bench } from './stand.ts';

const bytes = 4 * GiB;

/** The whole runner, which also checks the stream, uploads and writes its index, against compressing alone. */
export const zstd: Bench = {
  name: 'zstd',
  about: '4 GiB of database pages with zstd level 1 into a discarding store, against zstd -1',
  run: async (stand) => {
    await warmUp(stand);
    const sink = await startSink(stand.registry, 'discard');
    const rival = zstdCli(1);
    tellRival(rival, stand.say);
    const runs = await interleaved(
      {
        holdfast: () => runBackup(stand, sink, 'zstd', bytes),
        [rival.name]: () => runRival(stand, rival, bytes),
      },
      stand.say,
      told,
    );
    await sink.stop();
    const cpu = (name: string) => median(runs[name]!.map((run) => run.cpuPerGiB));
    return {
      table: [
        ['4 GiB, level 1', 'CPU s/GiB', 'peak MiB', 'wall s'],
        ...Object.entries(runs).map(([name, costs]) => [
          name,
          cpu(name).toFixed(2),
          median(costs.map((cost) => cost.peakMiB)).toFixed(0),
          median(costs.map((cost) => cost.wallSeconds)).toFixed(1),
        ]),
      ],
      measures: [atMost('zstd.cpu-of-zstd', cpu('holdfast') / cpu(rival.name), 'ratio', 1.15)],
    };
  },
};
