import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { MariadbServer } from '../../infra/local/mariadb.ts';
import { backupArguments } from '../../runner/engines/mysql/arguments.ts';
import { GiB, resultOf, warmUp } from './backup-run.ts';
import type { Cost } from './launcher.ts';
import { atMost, interleaved, median } from './measure.ts';
import { measure, program, type Sink, startSink } from './processes.ts';
import { backupOrder, startBenchServer } from './servers.ts';
import type { Bench, Stand } from './stand.ts';

const dataBytes = 1.4e9;

/** The tool with the arguments that the runner gives it. */
function toolCommand(stand: Stand, server: MariadbServer): string[] {
  const directory = mkdtempSync(join(stand.paths.run, 'tool-'));
  const [extraLsnDir, targetDir] = [join(directory, 'lsn'), join(directory, 'target')];
  for (const path of [extraLsnDir, targetDir]) mkdirSync(path);
  const { plan, policy } = backupOrder(server, 'none', dataBytes, 'b');
  const args = backupArguments({
    defaultsFile: server.defaultsFile,
    address: { socket: server.socket },
    datadir: server.datadir,
    extraLsnDir,
    targetDir,
    threads: policy.toolThreads,
    checkpointFirst: plan.checkpointFirst,
    replica: false,
  });
  return ['mariadb-backup', ...args];
}

/** As one would try it by hand: `mariadb-backup … | cat > /dev/null`. */
const toolAlone = (stand: Stand, server: MariadbServer): Promise<Cost> =>
  measure(stand.registry, { command: toolCommand(stand, server), intoCat: true }, stand.paths.run);

/** What it costs to do no more than checksum and send the tool's stream, without the tool. */
const leastUpload = (stand: Stand, server: MariadbServer, sink: Sink): Promise<Cost> =>
  measure(
    stand.registry,
    {
      command: [process.execPath, ...program('least-upload', `${sink.url}/backups/least`)],
      producer: toolCommand(stand, server),
    },
    stand.paths.run,
  );

let jobs = 0;

async function wholeBackup(stand: Stand, server: MariadbServer, sink: Sink): Promise<Cost> {
  jobs += 1;
  const run = await (await stand.host()).run(backupOrder(server, 'none', dataBytes, `r-${jobs}`), {
    store: sink.url,
  });
  const { bytes } = resultOf(run);
  if (bytes < GiB) throw new Error(`the backup has ${bytes} bytes, at least 1 GiB is wanted`);
  return run;
}

/** A whole backup job, fingerprints before and after among it, against the tool whose stream nobody looks at. */
export const backup: Bench = {
  name: 'backup',
  about: 'a backup of a real server with mariadb-backup, uncompressed, against the tool alone into cat',
  run: async (stand) => {
    await warmUp(stand);
    const server = await startBenchServer(stand, 'large', dataBytes);
    const sink = await startSink(stand.registry, 'discard');
    const runs = await interleaved<Cost>(
      {
        'runner and tool': () => wholeBackup(stand, server, sink),
        'tool alone': () => toolAlone(stand, server),
        'one CRC32 and a send, without the tool': () => leastUpload(stand, server, sink),
      },
      stand.say,
      ({ cpuSeconds, wallSeconds }) => `${cpuSeconds.toFixed(2)} CPU s, ${wallSeconds.toFixed(1)} s`,
    );
    await sink.stop();
    await server.stop();
    const cpu = (name: string) => median(runs[name]!.map((run) => run.cpuSeconds));
    return {
      table: [
        [`${dataBytes / 1e9} GB of data`, 'CPU s', 'wall s'],
        ...Object.entries(runs).map(([name, costs]) => [
          name,
          cpu(name).toFixed(2),
          median(costs.map((cost) => cost.wallSeconds)).toFixed(1),
        ]),
      ],
      measures: [atMost('backup.cpu-of-tool', cpu('runner and tool') / cpu('tool alone'), 'ratio', 1.25)],
    };
  },
};
