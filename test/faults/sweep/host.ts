import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Order } from '../../../contract/records/job.ts';
import type { ObjectsOf } from '../../../functions/clients/objects.ts';
import type { Engine } from '../../../runner/engines/engine.ts';
import { makeRunChild } from '../../../runner/host/run-child.ts';
import type { AskBroker } from '../../../runner/job/broker.ts';
import { makeBrokerCredentials } from '../../../runner/job/broker.ts';
import { claimJob } from '../../../runner/job/claim.ts';
import { defaultIntervals, type Intervals } from '../../../runner/job/intervals.ts';
import { makeJobLog } from '../../../runner/job/log.ts';
import type { JobRows } from '../../../runner/job/rows.ts';
import { superviseJob } from '../../../runner/job/supervise.ts';
import type { Tasks } from '../../../runner/job/tasks.ts';
import type { Works } from '../../../runner/job/work.ts';
import { makeWorks } from '../../../runner/job/works.ts';
import type { CredentialsProvider } from '../../../runner/stream/sign.ts';
import type { Store } from '../../../runner/stream/store.ts';
import { type MemoryServer, makeMemoryEngine, makeMemoryServer } from '../../doubles/memory-engine.ts';

/** How a runner ends. */
export type RunnerEnd = 'well' | 'its tool fails' | 'it dies after its claim' | 'it dies after its manifest';

/** What a runner reaches outside of its host. */
export type RunnerOutside = {
  rows: JobRows;
  tasks: Tasks;
  openStore: (
    site: { bucket: string; region: string },
    credentials: CredentialsProvider | undefined,
  ) => Store;
  ask: AskBroker;
  /** GetCallerIdentity, before anything else. */
  identify: () => Promise<unknown>;
  /** GetSecretValue, for what an engine needs to log in. */
  readSecret: (name: string) => Promise<string>;
  intervals?: Partial<Intervals>;
  brokerBudgetMs?: number;
};

const version = '10.11.14';
const files = 'inode:birth';

/** The small engine with the versions that our plans and restores ask for. */
function engineOf(server: MemoryServer, role: 'primary' | 'replica', end: RunnerEnd): Engine {
  const engine = makeMemoryEngine(server);
  return {
    ...engine,
    abilities: ['incremental'],
    restore: {
      ...engine.restore,
      // Its streams hold everything: the incremental takes the place of what was prepared.
      apply: async (order, stored, context) => {
        rmSync(`${order.target.directory}.partial`, { recursive: true });
        await engine.restore.unpack(order, stored, context);
      },
    },
    tools: async () => ({ mariadbd: version, 'mariadb-backup': version, mbstream: version }),
    inspect: async (order, context) => ({
      ...(await engine.inspect(order, context)),
      role,
      files,
      // Where its fingerprints stand.
      position: { kind: 'mysql', flavour: 'mariadb', gtid: '0-1-7' },
      serverVersion: version,
      toolVersion: version,
      lagSeconds: role === 'replica' ? 0 : null,
    }),
    preflight: async (order, context) => {
      await context.readSecret(`holdfast/${order.member.hostId}/mariadb`);
      return engine.preflight(order, context);
    },
    backup: async (order, sinks, context) => {
      if (end === 'its tool fails') {
        await sinks.open('main').write(Buffer.from('the beginning of a stream'));
        throw new NamedError('Backup.ToolFailed', 'the tool exited with 1');
      }
      const facts = await engine.backup(order, sinks, context);
      const { server: its, tool, restore } = facts;
      const { fromLsn = '0' } = order.plan.increment ?? {};
      const to = String(Number(fromLsn) + 100);
      return {
        ...facts,
        lsn: { from: fromLsn, to, last: to },
        server: { ...its, version, role, datadir: order.member.datadir, files },
        tool: { ...tool, version },
        restore: { ...restore, toolVersion: version },
      };
    },
  };
}

/** A bucket in memory as a runner writes and reads it. */
export function memoryStore(objectsOf: ObjectsOf, place: { bucket: string; region: string }): Store {
  const objects = objectsOf(place);
  const read = async (key: string) => {
    const stored = await objects.get(key);
    if (stored === undefined) throw new NamedError('Restore.StreamDamaged', `${key} is not stored`, { key });
    return Buffer.from(stored.body);
  };
  return {
    putObject: async ({ key, body }) => {
      const { outcome } = await objects.putOnce(key, body as unknown as string);
      if (outcome === 'exists') throw new NamedError('Store.Conflict', `${key} exists`, { key });
      return { versionId: null };
    },
    getObject: async ({ key, from, into }) => void (await read(key)).copy(into, 0, from),
    getSmallObject: async ({ key }) => read(key),
    close: async () => undefined,
  };
}

export type Host = {
  hostId: string;
  role: 'primary' | 'replica';
  server: MemoryServer;
  /** Private directory of its runners. */
  directory: string;
};

export function makeHost(hostId: string, role: Host['role'], root: string): Host {
  const directory = join(root, hostId);
  for (const name of ['work', 'spool', 'data'])
    mkdirSync(join(directory, name), { recursive: true, mode: 0o700 });
  const server = makeMemoryServer({ orders: ['one', 'two', 'three'], customers: ['four'] });
  return { hostId, role, server, directory };
}

/** Volumes of 32 MiB are much to take for streams of some hundred bytes, thousands of times. */
const withSmallVolumes = (works: Works): Works => ({
  ...works,
  backup: (order, job) => works.backup({ ...order, plan: { ...order.plan, volumeBytes: 64 * 1024 } }, job),
});

const never = () => new Promise<never>(() => undefined);

/** Runs a job as the runner does; resolves when the runner is gone, however that came. */
export async function runOnHost(
  host: Host,
  jobId: string,
  order: Order,
  outside: RunnerOutside,
  now: () => Date,
  end: RunnerEnd,
): Promise<void> {
  const { hostId, directory } = host;
  const { promise: dead, resolve: die } = Promise.withResolvers<void>();
  if (end === 'it dies after its claim') {
    await claimJob(jobId, 'the secret of a runner that dies', {
      rows: outside.rows,
      now,
      runnerVersion: '1',
    });
    return;
  }
  const dying = end === 'it dies after its manifest';
  const lastWord = dying
    ? () => {
        die();
        return never();
      }
    : undefined;
  const jobLog = makeJobLog({ fixed: { jobId }, now, write: () => {} });
  try {
    await outside.identify();
  } catch {
    // As main does: without knowing itself a runner ends before it has touched anything.
    return;
  }
  const parts = {
    hostId,
    runnerVersion: '1',
    rows: lastWord ? { ...outside.rows, finish: lastWord } : outside.rows,
    tasks: lastWord ? { ...outside.tasks, succeed: lastWord, fail: lastWord } : outside.tasks,
    works: withSmallVolumes(
      makeWorks(() => engineOf(host.server, host.role, order.kind === 'backup' ? end : 'well'), {
        backup: {
          openStore: ({ site }) => outside.openStore(site, undefined),
          spoolDir: join(directory, 'spool'),
        },
        restore: {
          credentials: ({ secret }) =>
            makeBrokerCredentials({
              ...{ ask: outside.ask, hostId, jobId, secret, now, hide: jobLog.hide },
              budgetMs: outside.brokerBudgetMs ?? 5000,
            }),
          openStore: ({ site }, credentials) => outside.openStore(site, credentials),
        },
      }),
    ),
    runChild: makeRunChild(),
    readSecret: outside.readSecret,
    clock: { now, monotonic: () => performance.now(), observe: () => undefined },
    intervals: { ...defaultIntervals, ...outside.intervals },
    jobLog,
    workRoot: join(directory, 'work'),
    stop: new AbortController().signal,
  };
  await Promise.race([superviseJob(jobId, parts).catch(() => undefined), dead]);
}
