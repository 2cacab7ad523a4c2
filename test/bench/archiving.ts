import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentOrders } from '../../contract/records/agent.ts';
import type { MariadbServer } from '../../infra/local/mariadb.ts';
import { atLeast, atMost } from './measure.ts';
import { benchHost } from './measured-host.ts';
import { program, startSink } from './processes.ts';
import { startBenchServer } from './servers.ts';
import type { Bench, Stand } from './stand.ts';

const transactionsPerSecond = 2000;
const intervalSeconds = 10;
const seconds = 60;
/** USER_HZ, as in launcher.ts. */
const ticksPerSecond = 100;

/** User and system time of one process so far, and its peak memory. */
function costOf(pid: number): { cpuSeconds: number; peakBytes: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
    peakBytes: Number(kib ?? 0) * 1024,
  };
}

const orders = (server: MariadbServer): AgentOrders => ({
  at: new Date().toISOString(),
  sets: [
    {
      clusterId: 'bench',
      set: 'main',
      flavour: 'mariadb',
      member: {
        memberId: 'bench',
        set: 'main',
        hostId: benchHost,
        socket: server.socket,
        datadir: server.datadir,
        credential: { kind: 'socket', user: 'root' },
      },
      site: { site: 'home', bucket: 'backups', region: 'eu-central-1' },
      archive: {
        timeline: 't-1',
        epoch: 1,
        intervalSeconds,
        segmentBytes: 16 * 1024 * 1024,
        after: null,
        anchor: null,
      },
    },
  ],
});

async function logBytes(server: MariadbServer): Promise<number> {
  const connection = await server.connect();
  const [rows] = await connection.query('SHOW BINARY LOGS');
  await connection.end();
  return (rows as { File_size: number }[]).reduce((sum, { File_size }) => sum + Number(File_size), 0);
}

/** Commits at the rate, and answers how many a second there were. */
async function commit(stand: Stand, server: MariadbServer, forSeconds: number): Promise<number> {
  const args = program('commits', server.socket, `${transactionsPerSecond}`, `${forSeconds}`);
  const child = stand.registry.start('commits', process.execPath, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  const { committed, seconds: took } = JSON.parse(String(line)) as { committed: number; seconds: number };
  return committed / took;
}

/** The whole agent beside a server that commits small transactions: what it costs, and how far behind it is. */
export const archiving: Bench = {
  name: 'archiving',
  about: `archiving of a real server's log at ${transactionsPerSecond} transactions a second`,
  run: async (stand) => {
    const server = await startBenchServer(stand, 'logged', 0, { 'sync-binlog': '0' });
    const connection = await server.connect();
    await connection.query('CREATE DATABASE bench');
    await connection.query(
      'CREATE TABLE bench.orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(300))',
    );
    await connection.end();
    const sink = await startSink(stand.registry, 'discard');
    const agent = await (await stand.host()).startAgent(orders(server), { store: sink.url });
    await commit(stand, server, 15);
    const before = { ...costOf(agent.pid), bytes: await logBytes(server), at: performance.now() };
    const committing = commit(stand, server, seconds);
    let behind = 0;
    let on = true;
    const watching = (async () => {
      while (on) {
        await sleep(500);
        const durableAt = (await agent.report())?.sets[0]?.archive?.durableAt;
        behind = Math.max(
          behind,
          durableAt ? (Date.now() - Date.parse(durableAt)) / 1000 : Number.POSITIVE_INFINITY,
        );
      }
    })();
    const rate = await committing;
    on = false;
    await watching;
    const after = { ...costOf(agent.pid), bytes: await logBytes(server), at: performance.now() };
    await agent.stop();
    await sink.stop();
    await server.stop();
    const took = (after.at - before.at) / 1000;
    const megabytes = (after.bytes - before.bytes) / 1e6;
    const cpu = after.cpuSeconds - before.cpuSeconds;
    const percent = (100 * cpu) / megabytes;
    stand.say(`${megabytes.toFixed(1)} MB of log in ${took.toFixed(1)} s, ${cpu.toFixed(2)} CPU s`);
    return {
      table: [
        ['transactions/s', 'MB/s of log', 'CPU s', '% of a core per MB/s', 's behind at most', 'peak MiB'],
        [
          rate.toFixed(0),
          (megabytes / took).toFixed(2),
          cpu.toFixed(2),
          percent.toFixed(2),
          behind.toFixed(1),
          (after.peakBytes / 1024 ** 2).toFixed(0),
        ],
      ],
      measures: [
        atLeast('archiving.transactions-per-second', rate, '1/s', 0.95 * transactionsPerSecond),
        atMost('archiving.cpu-per-megabyte', percent, '% of a core per MB/s', 5),
        atMost('archiving.seconds-behind', behind, 's', intervalSeconds + 5),
      ],
    };
  },
};
