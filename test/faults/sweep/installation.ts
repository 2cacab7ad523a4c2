import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Order } from '../../../contract/records/job.ts';
import type { Policy } from '../../../contract/records/policy.ts';
import { makeCatalog } from '../../../functions/catalog/catalog.ts';
import { type ExecutionStatus, executionArnOf } from '../../../functions/clients/executions.ts';
import { makeTableRows } from '../../../runner/job/table-rows.ts';
import { makeMemoryBuckets } from '../../doubles/memory-buckets.ts';
import { makeMemoryDynamoDb } from '../../doubles/memory-dynamodb.ts';
import { aCluster, aHost, aMember } from '../../doubles/records.ts';
import { isQuiet } from './end-state.ts';
import { functionOf, type Surroundings } from './functions.ts';
import { type Host, makeHost, memoryStore, type RunnerEnd, type RunnerOutside, runOnHost } from './host.ts';
import { type Ended, type Hands, StateError, Stopped, walk } from './machine-walk.ts';
import type { OutsideCalls } from './outside-calls.ts';
import { makeTaskTokens } from './task-tokens.ts';
import { policy as deployedPolicy, machineOf, machines, names, site } from './what-is-deployed.ts';

const reconcileSeconds = 120;

export type InstallationOptions = {
  calls: OutsideCalls;
  /** How the n-th runner of a kind of job ends, counted from 1. */
  endOf?: (kind: Order['kind'], n: number) => RunnerEnd;
  /** Called where an execution enters a state, and where it waits for a runner; `true` stops it there. */
  stopsAt?: (executionArn: string, where: string) => boolean;
  /** In place of the deployed policy. */
  policy?: Policy;
  /** How a runner reaches the outside, where not at once and in memory. */
  runnerOutside?: (host: Host, world: Installation) => Promise<RunnerOutside>;
};

export type Installation = ReturnType<typeof makeInstallation>;

/**
 * A whole installation in one process: the synthesized machines walked state by state over the real functions, the
 * real runner's jobs on three hosts with a small engine, tables and buckets in memory, and a clock that moves only
 * while somebody waits. Reconcile runs every two minutes of it.
 */
export function makeInstallation(options: InstallationOptions) {
  const { calls, endOf = () => 'well', stopsAt = () => false, runnerOutside } = options;
  const policy = options.policy ?? deployedPolicy;
  // In memory where there is such a place: each installation makes and removes some dozen directories.
  const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'installation-'));
  const dynamo = makeMemoryDynamoDb();
  const buckets = makeMemoryBuckets();
  const catalog = makeCatalog({ client: dynamo.client, table: 'catalog', jobs: 'jobs' });
  const status = new Map<string, ExecutionStatus>();
  const pending: { machineArn: string; executionArn: string; input: unknown }[] = [];
  const launched: { hostId: string; jobId: string }[] = [];
  const events: { name: string; detail: unknown }[] = [];
  const ended: (Ended & { executionArn: string })[] = [];
  const runs = new Map<string, number>();
  const entered = new Map<string, string[]>();
  let clock = Date.parse('2026-11-24T02:00:30.000Z');
  let reconcileAt = clock + reconcileSeconds * 1000;
  let minted = 0;
  const now = () => new Date(clock);
  const hosts = new Map(
    (['i-a', 'i-b', 'i-r'] as const).map((hostId) => [
      hostId as string,
      makeHost(hostId, hostId === 'i-b' ? 'replica' : 'primary', root),
    ]),
  );

  const tokens = makeTaskTokens(now);
  const { answer, heartbeat } = tokens;

  const start = async (machineArn: string, name: string, input: unknown) => {
    const executionArn = executionArnOf(machineArn, name);
    if (status.has(executionArn)) return { outcome: 'exists' as const, executionArn };
    status.set(executionArn, { status: 'open' });
    pending.push({ machineArn, executionArn, input });
    return { outcome: 'started' as const, executionArn };
  };

  const around: Surroundings = {
    dynamo,
    objectsOf: buckets.objectsOf,
    folders: buckets.folders,
    versionsOf: buckets.versionsOf,
    executions: {
      describe: async (arn) => status.get(arn) ?? { status: 'unknown' },
      running: async () => new Set([...status].filter(([, of]) => of.status === 'open').map(([arn]) => arn)),
      start: ({ machineArn, name, input }) => start(machineArn, name, input),
    },
    tasks: {
      succeed: async (token, output) => ({ outcome: answer(token, { output }) ? 'told' : 'late' }),
      fail: async (token, { name, cause }) => ({
        outcome: answer(token, { error: new StateError(name, cause) }) ? 'told' : 'late',
      }),
    },
    launch: async ({ hostId, jobId }) => {
      launched.push({ hostId, jobId });
      return { outcome: 'launched' };
    },
    getPolicy: async (name) => (name === policy.name ? policy : undefined),
    putEvents: async (of) => void events.push(...of),
    assumeRole: async () => ({
      accessKeyId: 'ASIARESTORE',
      secretAccessKey: 'of the restore role',
      sessionToken: 'session',
      expiration: new Date(clock + 3_600_000).toISOString(),
    }),
    sites: { frankfurt: site },
    scratch: { bucket: names.scratchBucket, region: site.region },
    roles: { frankfurt: 'arn:aws:iam::111122223333:role/holdfast-restore-frankfurt' },
    backupMachineArn: machines.backup,
    now,
    mint: () => `minted-${++minted}`,
  };

  /** A function as Step Functions and Lambda call it. */
  const invoke = async (name: string, payload: unknown): Promise<unknown> => {
    const { outside, killed, answered } = calls.invocation(name);
    const answer = await Promise.race([functionOf(name, around, outside)(payload as never), killed]);
    answered();
    return answer;
  };

  const inMemory = (host: Host): RunnerOutside => ({
    rows: makeTableRows(dynamo.client, 'jobs', aHost(host.hostId).userid),
    tasks: {
      heartbeat: async (token) => heartbeat(token),
      succeed: async (token, output) => (answer(token, { output }) ? 'taken' : 'gone'),
      fail: async (token, { name, cause }) =>
        answer(token, { error: new StateError(name, cause) }) ? 'taken' : 'gone',
    },
    openStore: (place) => memoryStore(buckets.objectsOf, place),
    ask: async (request) => (await invoke('broker', request)) as never,
    identify: async () => undefined,
    readSecret: async () => 'a password',
  });

  const runHosts = async (): Promise<void> => {
    for (let next = launched.shift(); next !== undefined; next = launched.shift()) {
      const host = hosts.get(next.hostId)!;
      const ordered = await catalog.orders.get(next.jobId);
      if (ordered === undefined) throw new Error(`${next.jobId} was launched and never ordered`);
      const { kind } = ordered.order;
      const n = (runs.get(kind) ?? 0) + 1;
      runs.set(kind, n);
      const outside = (await runnerOutside?.(host, world)) ?? inMemory(host);
      await runOnHost(host, next.jobId, ordered.order, outside, now, endOf(kind, n));
    }
  };

  /** Time passes: every two minutes Reconcile is called, and what it throws is its alarm's business. */
  const pass = async (seconds: number): Promise<void> => {
    const until = clock + seconds * 1000;
    while (reconcileAt <= until) {
      clock = Math.max(clock, reconcileAt);
      reconcileAt += reconcileSeconds * 1000;
      await invoke('reconcile', {}).catch(() => undefined);
    }
    clock = Math.max(clock, until);
  };

  const asStateError = (thrown: unknown) =>
    new StateError((thrown as Error).name, `${(thrown as Error).message}`);

  let current = '';
  const hands: Hands = {
    now,
    enter: (executionArn, state) => {
      current = executionArn;
      if (stopsAt(executionArn, state)) throw new Stopped(state);
      entered.set(executionArn, [...(entered.get(executionArn) ?? []), state]);
    },
    invoke: async (arn, payload) => {
      try {
        return await invoke(arn.split(`:${names.installation}-`).at(-1)!, payload);
      } catch (thrown) {
        throw asStateError(thrown);
      }
    },
    startExecution: async (machineArn, name, input) => {
      const { outcome } = await start(machineArn, name, input);
      if (outcome === 'exists') throw new StateError('StepFunctions.ExecutionAlreadyExistsException', name);
      return {};
    },
    readItems: async (of, key) =>
      (buckets.text(of, key) ?? '')
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as unknown),
    mintToken: tokens.mint,
    dropToken: tokens.drop,
    answerOf: async (token, limits) => {
      const stop = (where: string) => {
        if (!stopsAt(current, where)) return;
        tokens.drop(token);
        throw new Stopped(where);
      };
      stop('before its runner begins');
      for (;;) {
        await runHosts();
        stop('when its runner has ended');
        const told = tokens.toldTo(token, limits);
        if (told !== undefined) return told.output;
        await pass(30);
      }
    },
    sleep: async (seconds) => {
      await runHosts();
      await pass(seconds);
    },
  };

  /** Runs what has been started, one execution after the other, with the event that follows each that fails. */
  const runExecutions = async (): Promise<void> => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      const { machineArn, executionArn, input } = next;
      const end = await walk(machineOf(machineArn), executionArn, input, hands);
      ended.push({ ...end, executionArn });
      status.set(
        executionArn,
        end.status === 'succeeded' ? end : { status: 'failed', error: end.error, cause: end.cause },
      );
      if (end.status === 'failed') {
        const stopped = end.error === 'Execution.ABORTED';
        const event = { detail: { executionArn, status: stopped ? 'ABORTED' : 'FAILED' } };
        // EventBridge calls a function twice more when it fails.
        for (let tries = 0; tries < 3; tries++) {
          const done = await invoke('cancel-closed', event).then(
            () => true,
            () => false,
          );
          if (done) break;
        }
      }
      await runHosts();
    }
  };

  const items = (table: string) => [...(dynamo.tables.get(table)?.values() ?? [])];

  const world = {
    dynamo,
    buckets,
    catalog,
    inMemory,
    events,
    ended,
    tokens,
    status,
    items,
    /** States in the order in which executions entered them, by ARN. */
    entered,
    hosts,
    now,
    invoke,
    answer,
    heartbeat,
    /** Two hosts with the cluster `orders`, and one to restore on. */
    register: async () => {
      const document = {
        members: [aMember('orders-a', 'i-a'), aMember('orders-b', 'i-b')],
        policy: policy.name,
      };
      await catalog.clusters.restore(aCluster(document));
      for (const hostId of ['i-a', 'i-b']) await catalog.hosts.restore(aHost(hostId));
      await catalog.hosts.restore(aHost('i-r', { purposes: ['restore'] }));
    },
    start: async (machineArn: string, name: string, input: unknown) => {
      const { executionArn } = await start(machineArn, name, input);
      await runExecutions();
      return ended.find((e) => e.executionArn === executionArn)!;
    },
    /** The schedule strikes: the machine Fleet backup, and all that follows from it. */
    strikeTheHour: async (name: string) => {
      await start(machines.fleet, name, { v: 1, policy: policy.name });
      await runExecutions();
    },
    /** Nothing happens until then but one pass of Reconcile. */
    skipTo: async (instant: string) => {
      clock = Date.parse(instant) - reconcileSeconds * 1000;
      reconcileAt = clock;
      await pass(reconcileSeconds - 1);
    },
    /** Lets time pass until nothing is left to do, for `hours` at most. */
    settle: async (hours = 5) => {
      const until = clock + hours * 3_600_000;
      let quiet = 0;
      while (clock < until && quiet < 1) {
        await pass(reconcileSeconds);
        quiet = pending.length + launched.length === 0 && (await isQuiet(world)) ? quiet + 1 : 0;
        await runExecutions();
        await runHosts();
      }
    },
    /** Where a restore may go. */
    target: (name: string) => ({
      hostId: 'i-r',
      directory: join(root, 'i-r', 'data', name),
      port: 13_306,
    }),
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
  return world;
}
