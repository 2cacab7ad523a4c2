import { GiB, runBackup, type StreamCost, told, warmUp } from './backup-run.ts';
import { atMost } from './measure.ts';
import { startSink } from './processes.ts';
import type { Bench } from './stand.ts';

const mostMiB = 224;
/**
 * What a four times larger stream may cost: what two runs of one size differ by at most (16 MiB were seen): two
 * thousandths of the 12 GiB more that went through.
 */
const growthMiB = 20;
/** The store answers this late, so that as many volumes are on their way as may be. */
const lateMs = 200;

const codecs = ['zstd', 'none'] as const;
const sizes = [4, 16] as const;

/** Peak resident memory (VmHWM) of the whole runner at default settings; the larger stream must not cost more. */
export const memory: Bench = {
  name: 'memory',
  about: 'peak memory of the whole runner at 4 and at 16 GiB, with a store that answers late',
  run: async (stand) => {
    await warmUp(stand);
    const sink = await startSink(stand.registry, 'discard', String(lateMs));
    const cases = codecs.flatMap((codec) => sizes.map((gib) => ({ codec, gib, name: `${codec}-${gib}gib` })));
    const peaks = new Map<string, StreamCost>();
    for (const { name, codec, gib } of cases) {
      const cost = await runBackup(stand, sink, codec, gib * GiB);
      stand.say(`${name}: ${told(cost)}`);
      peaks.set(name, cost);
    }
    await sink.stop();
    const peak = (name: string) => peaks.get(name)?.peakMiB ?? 0;
    return {
      table: [
        ['codec and stream', 'peak MiB', 'CPU s/GiB', 'wall s'],
        ...[...peaks].map(([name, cost]) => [
          name,
          cost.peakMiB.toFixed(1),
          cost.cpuPerGiB.toFixed(2),
          cost.wallSeconds.toFixed(1),
        ]),
      ],
      measures: [
        ...cases.map(({ name }) => atMost(`memory.peak-${name}`, peak(name), 'MiB', mostMiB)),
        ...codecs.map((codec) =>
          atMost(
            `memory.growth-${codec}-4-to-16gib`,
            peak(`${codec}-16gib`) - peak(`${codec}-4gib`),
            'MiB',
            growthMiB,
          ),
        ),
      ],
    };
  },
};
