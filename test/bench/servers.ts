import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { BackupOrder } from '../../contract/records/job.ts';
import { policySchema } from '../../contract/records/policy.ts';
import { frameBytes, sizesFor } from '../../functions/backup/size.ts';
import { loadData } from '../../infra/local/data.ts';
import { installServer, type MariadbServer, startServer } from '../../infra/local/mariadb.ts';
import type { LocalPaths } from '../../infra/local/paths.ts';
import type { ProcessRegistry } from '../../infra/local/processes.ts';
import { freePort } from '../../infra/local/wait.ts';
import { benchHost } from './measured-host.ts';
import { chunkBytes } from './pages.ts';

/** Starts a server with `bytes` of data; 0: with nothing but its own tables. */
export async function startBenchServer(
  { paths, registry }: { paths: LocalPaths; registry: ProcessRegistry },
  name: string,
  bytes: number,
  options: Readonly<Record<string, string>> = { 'skip-log-bin': '' },
): Promise<MariadbServer> {
  const plan = {
    name,
    directory: join(paths.run, name),
    socket: join(paths.sockets, `${name}.sock`),
    port: await freePort(),
    serverId: 1,
    options: { 'innodb-flush-log-at-trx-commit': '0', ...options },
    registry,
  };
  installServer(plan);
  const server = await startServer(plan);
  if (bytes > 0) {
    const connection = await server.connect();
    await loadData(connection, { bytes });
    await connection.end();
  }
  return server;
}

const sampleBytes = 400e6;

/**
 * A file of database pages: the tablespaces of a server that holds the local target's data, in whole chunks of the
 * stream. Made once and kept.
 */
export async function samplePages(at: { paths: LocalPaths; registry: ProcessRegistry }): Promise<string> {
  const file = join(at.paths.project, '.local/bench/pages');
  if (existsSync(file)) return file;
  mkdirSync(join(file, '..'), { recursive: true });
  const server = await startBenchServer(at, 'sample', sampleBytes);
  await server.stop();
  const draft = openSync(`${file}.new`, 'w');
  const shop = join(server.datadir, 'shop');
  for (const name of readdirSync(shop)
    .filter((entry) => entry.endsWith('.ibd'))
    .sort()) {
    const bytes = readFileSync(join(shop, name));
    writeSync(draft, bytes, 0, bytes.length - (bytes.length % chunkBytes));
  }
  closeSync(draft);
  renameSync(`${file}.new`, file);
  rmSync(server.directory, { recursive: true });
  return file;
}

/** An order as Control would write it for this server, at default settings but for the codec. */
export function backupOrder(
  server: MariadbServer,
  codec: 'zstd' | 'none',
  expectedBytes: number,
  backupId: string,
): BackupOrder {
  const policy = policySchema.parse({
    name: 'bench',
    schedule: { cron: '0 2 * * *' },
    method: 'physical',
    codec,
  });
  const { volumeBytes, uploadsInFlight } = sizesFor(expectedBytes, policy);
  return {
    kind: 'backup',
    clusterId: 'bench',
    backupId,
    engine: 'mysql',
    flavour: 'mariadb',
    member: {
      memberId: 'bench',
      set: 'main',
      hostId: benchHost,
      socket: server.socket,
      datadir: server.datadir,
      defaultsFile: server.defaultsFile,
      credential: { kind: 'socket', user: 'root' },
    },
    slot: null,
    policy,
    site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
    plan: {
      method: 'physical',
      level: 'full',
      reasons: [],
      role: 'standalone',
      checkpointFirst: false,
      stopApplier: false,
      volumeBytes,
      uploadsInFlight,
      frameBytes,
      expectedBytes,
      chain: backupId,
      parent: null,
      timeline: 't-1',
      deadlineSeconds: 3600,
    },
  };
}
