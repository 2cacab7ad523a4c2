import { mkdirSync, rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { toErrorRecord } from '../../contract/errors/named-error.ts';
import {
  type AgentOrders,
  type AgentReport,
  reportSeconds,
  type SetOrder,
} from '../../contract/records/agent.ts';
import type { Log } from '../engines/engine.ts';
import type { Clock } from '../host/clock.ts';
import type { Archiver } from './archiver.ts';
import { writeDurably } from './notes.ts';
import type { AgentRows } from './rows.ts';

export type AgentParts = {
  runnerVersion: string;
  rows: AgentRows;
  clock: Clock;
  log: Log;
  makeArchiver: (order: SetOrder, stored: () => void) => Archiver;
  /** Where DBAs' purge jobs find what may be removed: one file for each member that archives. */
  purgeDirectory: string;
  /** Called before each report: the log of an agent that lives for years may not fill its disk. */
  boundLog: () => void;
  /** Whether another release has become this host's current one: its agent takes over. */
  superseded: () => boolean;
  signal: AbortSignal;
  /** Milliseconds between reports; a segment that was stored is reported at once, but not more often than `soonest`. */
  reportMs?: number;
  soonestMs?: number;
};

/**
 * A young agent has just been asked for, and control answers its first word with orders that it fetches with a later one:
 * for three minutes it reports six times as often.
 */
const earlyMs = 180_000;
const earlier = 6;

type Running = { order: SetOrder; archiver: Archiver; done: Promise<void>; end: () => void };

/** Orders that differ in nothing but the progress of the record are the same work. */
const workOf = (order: SetOrder) =>
  JSON.stringify({ ...order, archive: order.archive && { ...order.archive, after: null } });
const nameOf = ({ clusterId, set, member }: SetOrder) => `${clusterId}.${set}.${member.memberId}`;

/** Waits, or returns as soon as it is woken. */
function makeWaiter(signal: AbortSignal) {
  let wake = () => {};
  signal.addEventListener('abort', () => wake());
  return {
    wake: () => wake(),
    wait: (ms: number) =>
      new Promise<void>((resolve) => {
        if (signal.aborted) return resolve();
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
  };
}

function disksOf(orders: readonly SetOrder[]): AgentReport['disks'] {
  const paths = [...new Set(orders.map(({ member }) => member.datadir))].slice(0, 20);
  return paths.flatMap((path) => {
    try {
      const { blocks, bavail, bsize } = statfsSync(path);
      return [{ path, bytes: blocks * bsize, freeBytes: bavail * bsize }];
    } catch {
      return [];
    }
  });
}

/**
 * The resident part of the runner: takes its orders from its row, archives the logs that they name, reports. Ends when
 * `signal` fires, where nothing is ordered of this host, and for another release; whoever started it starts it again
 * later. What is not sealed at its end is read again from the server's log.
 */
export async function runAgent(parts: AgentParts): Promise<void> {
  const { rows, clock, log, signal } = parts;
  const startedAt = clock.now().toISOString();
  const running = new Map<string, Running>();
  const reports = makeWaiter(signal);
  const pauses = makeWaiter(signal);
  let orders: AgentOrders | undefined;
  let unreported = false;

  const start = (order: SetOrder): Running => {
    const archiver = parts.makeArchiver(order, () => {
      unreported = true;
      reports.wake();
    });
    const ending = new AbortController();
    const ended = AbortSignal.any([signal, ending.signal]);
    const pause = makeWaiter(ended);
    const work = async () => {
      while (!ended.aborted) await pause.wait(await archiver.tick());
      await archiver.close();
    };
    return { order, archiver, done: work(), end: () => ending.abort() };
  };

  /** Ends what is no longer ordered, and only then begins what is. */
  const follow = async (next: AgentOrders) => {
    const wanted = new Map(next.sets.map((order) => [nameOf(order), order]));
    for (const [name, { order, end, done }] of running) {
      const now = wanted.get(name);
      if (now !== undefined && workOf(now) === workOf(order)) continue;
      end();
      await done;
      running.delete(name);
      rmSync(join(parts.purgeDirectory, name), { force: true });
      log('no longer ordered', { name });
    }
    for (const [name, order] of wanted) {
      const known = running.get(name);
      if (known) known.order = order;
      else running.set(name, start(order));
    }
  };

  /** The first log file that is still needed: all before it are stored and recorded. */
  const publish = async () => {
    for (const [name, { order, archiver }] of running) {
      const after = order.archive?.after;
      if (!after || after.serverUuid !== archiver.report().serverUuid) continue;
      await writeDurably(join(parts.purgeDirectory, name), `${after.log.file}\n`);
    }
  };

  const born = clock.monotonic();
  const usual = parts.reportMs ?? reportSeconds * 1000;
  mkdirSync(parts.purgeDirectory, { recursive: true, mode: 0o755 });
  while (!signal.aborted && !parts.superseded()) {
    const began = clock.monotonic();
    unreported = false;
    parts.boundLog();
    const report: AgentReport = {
      at: clock.now().toISOString(),
      startedAt,
      runnerVersion: parts.runnerVersion,
      disks: disksOf([...running.values()].map(({ order }) => order)),
      sets: [...running.values()].map(({ archiver }) => archiver.report()),
    };
    try {
      const next = (await rows.report(report)) ?? { at: report.at, sets: [] };
      if (JSON.stringify(next) !== JSON.stringify(orders)) {
        await follow(next);
        orders = next;
        await publish();
        // What has just begun is reported as soon as it is known.
        unreported = true;
      }
      if (next.sets.length === 0) break;
    } catch (thrown) {
      const { name, cause } = toErrorRecord(thrown);
      log('the report was not taken; archiving goes on', { error: name, cause });
    }
    await pauses.wait(Math.max(0, (parts.soonestMs ?? 2000) - (clock.monotonic() - began)));
    const young = clock.monotonic() - born < earlyMs;
    if (!unreported) await reports.wait(young ? usual / earlier : usual);
  }
  for (const { end } of running.values()) end();
  await Promise.all([...running.values()].map(({ done }) => done));
  log('the agent ends', { ordered: orders?.sets.length ?? 0, superseded: parts.superseded() });
}
