import { execFile } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BackupOrder, BackupResult, RestoreOrder } from '../../contract/records/job.ts';
import { freePort } from '../../infra/local/wait.ts';
import { GiB, resultOf, warmUp } from './backup-run.ts';
import { atLeast, interleaved, median } from './measure.ts';
import { benchHost } from './measured-host.ts';
import { program, type Sink, startSink } from './processes.ts';
import { backupOrder } from './servers.ts';
import type { Bench, Stand } from './stand.ts';

const bytes = 4 * GiB;
/** Gets at once, as the runner has them. */
const connections = 8;
const run = promisify(execFile);

type Stored = { sink: Sink; directory: string; order: BackupOrder; result: BackupResult };
type Seconds = { seconds: number; cpuSeconds?: number };

/** A backup that is kept, at default settings. */
async function storedBackup(stand: Stand): Promise<Stored> {
  const directory = join(stand.paths.run, 'store');
  const sink = await startSink(stand.registry, 'keep', directory);
  const order = backupOrder(await stand.emptyServer(), 'zstd', bytes, 'b-kept');
  const tool = { sample: await stand.sample(), pages: bytes, prepared: '' };
  const result = resultOf(await (await stand.host()).run(order, { store: sink.url, tool }));
  return { sink, directory, order, result };
}

/** From the start of the runner to the start of its `mariadb-backup --prepare`, where the double ends the job. */
async function untilPrepare(stand: Stand, { sink, order, result }: Stored): Promise<Seconds> {
  const directory = join(stand.paths.run, 'restored');
  const prepared = join(stand.paths.run, 'prepared');
  const restore: RestoreOrder = {
    kind: 'restore',
    clusterId: order.clusterId,
    backupId: order.backupId,
    engine: order.engine,
    flavour: order.flavour,
    site: order.site,
    target: { hostId: benchHost, directory, port: await freePort(), user: 'mysql' },
    manifestSha256: result.manifestSha256,
    policy: order.policy,
  };
  writeFileSync(prepared, '');
  chmodSync(prepared, 0o666);
  const host = await stand.host();
  const started = Date.now();
  const tool = { sample: '', pages: 0, prepared };
  const { row, cpuSeconds } = await host.run(restore, { store: sink.url, tool, endsWith: 1 });
  if (row.error?.name !== 'Restore.PrepareFailed')
    throw new Error(`the restore ended by ${row.error?.cause}`);
  const seconds = Number(readFileSync(prepared, 'utf8')) - started / 1000;
  rmSync(prepared);
  rmSync(directory, { recursive: true });
  return { seconds, cpuSeconds };
}

async function rawDownload({ sink, directory }: Stored): Promise<Seconds> {
  const volumes = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\/volumes\/main\/\d+$/.test(path))
    .map((path) => `${statSync(join(directory, path)).size}/backups/${path}`);
  const { stdout } = await run(
    process.execPath,
    program('raw-download', sink.url, String(connections), ...volumes),
  );
  return { seconds: Number(stdout) };
}

async function rawWrite(stand: Stand, { result }: Stored): Promise<Seconds> {
  const file = join(stand.paths.run, 'raw');
  const { stdout } = await run(
    process.execPath,
    program('raw-write', await stand.sample(), file, String(result.bytes)),
  );
  rmSync(file);
  return { seconds: Number(stdout) };
}

/** A restore fetches, checks, decompresses, checks again and writes; it should be held up by network or disk alone. */
export const restore: Bench = {
  name: 'restore',
  about: '4 GiB restored until prepare begins, against the slower of a raw download and a raw write',
  run: async (stand) => {
    await warmUp(stand);
    const stored = await storedBackup(stand);
    const runs = await interleaved<Seconds>(
      {
        'restore until prepare': () => untilPrepare(stand, stored),
        'raw ranged download': () => rawDownload(stored),
        'raw write and fsync': () => rawWrite(stand, stored),
      },
      stand.say,
      ({ seconds, cpuSeconds }) =>
        `${seconds.toFixed(2)} s${cpuSeconds === undefined ? '' : `, ${cpuSeconds.toFixed(2)} CPU s`}`,
    );
    await stored.sink.stop();
    rmSync(stored.directory, { recursive: true });
    const { bytes: plain, storedBytes } = stored.result;
    const seconds = (name: string) => median(runs[name]!.map((one) => one.seconds));
    const shares = runs['restore until prepare']!.map(({ seconds: restored }, round) => {
      const slower = Math.max(
        runs['raw ranged download']![round]!.seconds,
        runs['raw write and fsync']![round]!.seconds,
      );
      return slower / restored;
    });
    const moved = { 'raw ranged download': storedBytes } as Readonly<Record<string, number>>;
    return {
      table: [
        ['4 GiB of stream, zstd', 'GiB moved', 's', 'MiB/s of stream'],
        ...Object.keys(runs).map((name) => [
          name,
          ((moved[name] ?? plain) / GiB).toFixed(2),
          seconds(name).toFixed(2),
          (plain / 1024 ** 2 / seconds(name)).toFixed(0),
        ]),
      ],
      measures: [atLeast('restore.speed-of-raw', median(shares), 'ratio', 0.8)],
    };
  },
};
