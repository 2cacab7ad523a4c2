import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { ChildEnd } from '../../../host/child.ts';
import { openFiles } from '../../../host/open-files.ts';
import type { EngineContext } from '../../engine.ts';
import type { Login } from '../login.ts';
import { withSession } from '../session.ts';
import type { DumperLine } from './dump-files.ts';
import { saysSnapshotsOpen, saysWrong } from './dumper.ts';
import type { DumpSpool, FinishedFile } from './spool.ts';

/** Looks at the spool: a file of 64 MB takes the tool longer than this to write. */
const lookMs = 100;
/** Seconds until the tool's threads must have their snapshots; a lock may be held meanwhile, which has its own budget. */
const openSeconds = 120;

export type DumpRun = {
  /** Resolves once every thread of the tool reads from its snapshot; rejects when it ends before. */
  snapshots: Promise<void>;
  /** Hands out finished files until the tool has ended and nothing is left; rejects when it did not end well. */
  take: (file: (finished: FinishedFile) => Promise<void>) => Promise<ChildEnd>;
  /** Ends it, when it still runs; resolves when nothing of it is left on host and server. */
  stop: (why: Error) => Promise<void>;
};

function failureOf(end: ChildEnd, wrong: readonly string[]): Error | undefined {
  if (end.firstCause instanceof NamedError) return end.firstCause;
  if (end.exitCode === 0 && end.firstCause === undefined && wrong.length === 0) return undefined;
  const how = end.signal === null ? `with code ${end.exitCode}` : `by ${end.signal}`;
  // 0.10 says on stdout what it does not understand.
  const lines = wrong.length > 0 ? wrong : [end.stdout.trim(), ...end.stderrTail.slice(-8)].filter(Boolean);
  if (lines.some((line) => /No space left on device/.test(line))) {
    return new NamedError(
      'Backup.SpoolFull',
      `the host's disk became full while mydumper wrote: ${lines.join(' | ').slice(-1000)}`,
      { exitCode: end.exitCode },
    );
  }
  return new NamedError(
    'Backup.ToolFailed',
    `mydumper ended ${how}${end.firstCause ? ` (${end.firstCause.message})` : ''}: ${lines.join(' | ').slice(-3000)}`,
    { exitCode: end.exitCode, signal: end.signal },
  );
}

/** Sessions of a tool that was killed go on with their SELECT until they next write to nobody. */
async function killSessions(login: Login, ids: readonly number[], context: EngineContext): Promise<void> {
  if (ids.length === 0) return;
  await withSession(login, AbortSignal.timeout(60_000), async (session) => {
    for (const id of ids) await session.run(`KILL ${id}`).catch(() => {});
  }).catch((error: Error) => context.log('the sessions of the tool may still run', { cause: error.message }));
}

/**
 * Starts mydumper into the spool. Over `bound` bytes in it, or without a byte for the policy's stall time, the tool is
 * killed: it knows no back-pressure (M21).
 */
export function startDump(
  options: {
    args: string[];
    line: DumperLine;
    spool: DumpSpool;
    bound: number;
    stallSeconds: number;
    login: Login;
  },
  context: EngineContext,
): DumpRun {
  const { line, spool, bound, stallSeconds, login } = options;
  const stop = new AbortController();
  const ids: number[] = [];
  const wrong: string[] = [];
  let pid = 0;
  let end: ChildEnd | undefined;
  let opened = () => {};
  const announced = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const running = context
    .runChild({
      command: 'mydumper',
      args: options.args,
      graceMs: 0,
      signal: AbortSignal.any([context.signal, stop.signal]),
      onStart: (started) => {
        pid = started;
      },
      onStderrLine: (said) => {
        const [, id] = /connected using MySQL connection ID (\d+)/.exec(said) ?? [];
        if (id !== undefined) ids.push(Number(id));
        if (saysWrong(said)) wrong.push(said.slice(0, 500));
        if (saysSnapshotsOpen(said, line)) opened();
        if (said.trim() !== '') context.log(said.slice(0, 500), { from: 'mydumper' });
      },
    })
    .then((ended) => {
      end = ended;
      return ended;
    });
  running.catch(() => {});

  let moved = { bytes: -1, at: performance.now() };
  let taken = 0;
  const look = () => {
    const seen = spool.look(() => openFiles(pid));
    if (seen.bytes > bound) {
      stop.abort(
        new NamedError(
          'Backup.SpoolFull',
          `the dump had ${seen.bytes} bytes on the host's disk that were not stored yet; the plan allows ${bound}. It was ended, and the next plan takes the physical method`,
          { bytes: seen.bytes, bound },
        ),
      );
    }
    if (seen.bytes + taken !== moved.bytes) moved = { bytes: seen.bytes + taken, at: performance.now() };
    if (performance.now() - moved.at > stallSeconds * 1000) {
      stop.abort(
        new NamedError(
          'Backup.Stalled',
          `mydumper wrote no byte for ${stallSeconds} s; the policy's stallSeconds allows no more`,
          { command: 'mydumper', stallSeconds },
        ),
      );
    }
    return seen;
  };
  /** What was found finished and is not handed out yet; the watch goes on while a file waits for the store. */
  const due = new Map<string, FinishedFile>();
  const known = new Set<string>();
  const watch = setInterval(() => {
    for (const file of look().finished) {
      if (known.has(file.name)) continue;
      known.add(file.name);
      due.set(file.name, file);
    }
  }, lookMs);
  running.finally(() => clearInterval(watch)).catch(() => {});

  const ensureGone = async () => {
    const ended = await running;
    if (ended.exitCode !== 0) await killSessions(login, ids, context);
  };

  const snapshots = (async () => {
    const late = sleep(openSeconds * 1000, 'late' as const, { ref: false });
    const first = await Promise.race([announced.then(() => 'open' as const), running, late]);
    if (first === 'open') return;
    if (first === 'late') {
      throw new NamedError('Backup.Stalled', `mydumper had no snapshot within ${openSeconds} s`, {
        seconds: openSeconds,
      });
    }
    throw (
      failureOf(first, wrong) ??
      new NamedError('Backup.ToolFailed', 'mydumper ended before it had a snapshot')
    );
  })();
  snapshots.catch(() => {});

  return {
    snapshots,
    take: async (handle) => {
      const handOut = async (file: FinishedFile) => {
        due.delete(file.name);
        await handle(file);
        spool.remove(file);
        taken += file.bytes;
      };
      while (end === undefined) {
        const [next] = due.values();
        if (next !== undefined) await handOut(next);
        else await Promise.race([running, sleep(lookMs)]);
      }
      // A small dump may have ended between two looks.
      look();
      context.signal.throwIfAborted();
      stop.signal.throwIfAborted();
      const failure = failureOf(end, wrong);
      if (failure !== undefined) throw failure;
      for (const file of spool.rest()) await handOut(file);
      return end;
    },
    stop: async (why) => {
      stop.abort(why);
      await ensureGone();
    },
  };
}
