import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../contract/errors/named-error.ts';
import { findAccount } from './accounts.ts';
import type { ChildEnd, ChildSpec, RunChild } from './child.ts';
import { type Activity, drainPipe, drainStderr, feedStdin, finishPipe, makeConsumer } from './child-pipes.ts';
import { readFifo } from './fifo.ts';
import { findCommand, systemPath } from './find-command.ts';
import { endGroup, groupLives } from './process-group.ts';
import { makeRing } from './ring.ts';
import { openWidePipe, type WidePipe } from './wide-pipe.ts';

const stderrKept = 64 * 1024;
const stdoutKept = 1024 * 1024;
/** How long processes that outlive the tool itself may finish before the group is ended. */
const strayMs = 2000;

export type RunChildOptions = {
  /** Between SIGTERM and SIGKILL. */
  graceMs?: number;
  /** Wraps the tool so that the kernel kills it when the runner dies (F11); null does without. */
  setpriv?: string | null;
  /** PATH of children, and where their programs are looked for. */
  path?: string;
};

/**
 * Makes the one way tools are run. A child gets a process group of its own; whatever happens, the promise resolves
 * only when no process of that group lives. It resolves also when things went wrong: the caller reads `firstCause`,
 * `signal` (a tool that died by a signal has failed, F03) and `exitCode`.
 */
export function makeRunChild({
  graceMs = 10_000,
  setpriv,
  path = systemPath,
}: RunChildOptions = {}): RunChild {
  const wrapper = setpriv === undefined ? findCommand('setpriv') : (setpriv ?? undefined);
  return (spec) =>
    runChild(
      { ...spec, env: spec.env ?? { PATH: path, LANG: 'C', TZ: spec.zone ?? 'UTC' } },
      graceMs,
      wrapper,
    );
}

type WholeSpec = ChildSpec & { env: Record<string, string> };

async function runChild(spec: WholeSpec, graceMs: number, wrapper: string | undefined): Promise<ChildEnd> {
  const ring = makeRing(stderrKept);
  const kept: Buffer[] = [];
  let firstCause: Error | undefined;
  let consequence: Error | undefined;
  const end = (exitCode: number | null, signal: NodeJS.Signals | null): ChildEnd => ({
    exitCode,
    signal,
    firstCause,
    stdout: Buffer.concat(kept).toString('utf8'),
    stderrTail: ring.lines(),
  });

  if (spec.signal?.aborted) {
    firstCause = asError(spec.signal.reason);
    return end(null, null);
  }
  let take: (bytes: Buffer) => boolean = () => true;
  let wide: WidePipe | undefined;
  let child: ChildProcess;
  try {
    if (spec.onStdout !== undefined) wide = await openWidePipe((bytes) => take(bytes), spec.stdoutInto);
    spec.signal?.throwIfAborted();
    child = start(spec, wide?.childEnd ?? 'pipe', wrapper);
  } catch (error) {
    wide?.reading.destroy();
    firstCause = asError(error);
    return end(null, null);
  } finally {
    wide?.childEnd.destroy();
  }
  const exit = new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('exit', (code, signal) => resolve([code, signal]));
    child.once('error', (error) => {
      firstCause ??= error;
      if (child.pid === undefined) resolve([null, null]);
    });
  });
  const group = child.pid;
  if (group === undefined) {
    wide?.reading.destroy();
    await exit;
    return end(null, null);
  }
  spec.onStart?.(group);

  let ending: Promise<boolean> | undefined;
  const endIt = () => {
    ending ??= endGroup(group, spec.graceMs ?? graceMs);
    return ending;
  };
  const fail = (error: unknown) => {
    firstCause ??= asError(error);
    void endIt();
  };
  const activity = { at: performance.now(), consuming: false };
  const touch = () => {
    activity.at = performance.now();
  };
  const gone = new AbortController();
  const fifos = (spec.fifos ?? []).map((fifo) => readFifo(fifo, touch, fail, gone.signal));

  const abort = () => fail(spec.signal?.reason);
  spec.signal?.addEventListener('abort', abort, { once: true });
  const watchdog = watchStall(spec, activity, () => fifos.some((fifo) => fifo.activity.consuming), fail);
  const stderr = drainStderr(child.stderr!, ring.push, spec.onStderrLine, touch, fail);
  const out = wide?.reading ?? child.stdout!;
  take = makeConsumer(spec.onStdout ?? keepIn(kept), activity, touch, fail, () => out.resume());
  if (wide === undefined) out.on('data', take);
  const stdout = drainPipe(out, fail);
  const stdin = spec.stdin
    ? feedStdin(child.stdin!, spec.stdin, touch, exit).catch((error: unknown) => {
        // A tool that closes its stdin has usually failed, and its own exit says why (F04).
        if ((error as NodeJS.ErrnoException).code === 'EPIPE') consequence ??= asError(error);
        else fail(error);
      })
    : undefined;

  const [exitCode, signal] = await exit;
  await endStrays(group, endIt);
  gone.abort();
  await Promise.all([
    ...fifos.map((fifo) => fifo.finished(() => firstCause !== undefined)),
    finishPipe(out, stdout, activity, () => firstCause !== undefined),
    finishPipe(child.stderr!, stderr, activity, () => firstCause !== undefined),
    stdin,
  ]);
  clearInterval(watchdog);
  spec.signal?.removeEventListener('abort', abort);
  if (signal !== null) firstCause ??= new Error(`${spec.command} was killed by ${signal}`);
  if (exitCode === 0) firstCause ??= consequence;
  return end(exitCode, signal);

  async function endStrays(id: number, finish: () => Promise<boolean>): Promise<void> {
    const until = performance.now() + strayMs;
    while (ending === undefined && groupLives(id) && performance.now() < until) await sleep(20);
    if (ending === undefined && !groupLives(id)) return;
    if (!(await finish())) firstCause ??= new Error(`processes of ${spec.command} survived SIGKILL`);
  }
}

function start(
  spec: WholeSpec,
  stdout: WidePipe['childEnd'] | 'pipe',
  wrapper: string | undefined,
): ChildProcess {
  const { env } = spec;
  const command = findCommand(spec.command, env.PATH);
  if (!command) throw new Error(`${spec.command} is not on this host`);
  const account = spec.user === undefined ? undefined : findAccount(spec.user);
  if (spec.user !== undefined && !account) throw new Error(`there is no account ${spec.user} on this host`);
  const change = account !== undefined && account.uid !== process.getuid?.() ? account : undefined;
  const options = {
    detached: true,
    env,
    stdio: [spec.stdin ? 'pipe' : 'ignore', stdout, 'pipe'] satisfies StdioOptions,
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  };
  if (wrapper === undefined) {
    return spawn(command, spec.args, { ...options, ...(change ? { uid: change.uid, gid: change.gid } : {}) });
  }
  const identity = change
    ? [
        `--reuid=${change.uid}`,
        `--regid=${change.gid}`,
        ...(process.getuid?.() === 0 ? ['--init-groups'] : []),
      ]
    : [];
  return spawn(wrapper, [...identity, '--pdeathsig=KILL', '--', command, ...spec.args], options);
}

/** The byte watchdog (F07): a live heartbeat says nothing about a tool that hangs. */
function watchStall(
  spec: ChildSpec,
  activity: Activity,
  alsoConsuming: () => boolean,
  fail: (error: unknown) => void,
): NodeJS.Timeout | undefined {
  const seconds = spec.stallSeconds;
  if (seconds === undefined) return undefined;
  return setInterval(
    () => {
      if (performance.now() - activity.at < seconds * 1000) return;
      fail(
        new NamedError(
          'Backup.Stalled',
          `${spec.command} moved no byte for ${seconds} s${activity.consuming || alsoConsuming() ? ', since what it wrote before is not taken yet: look at the way to the store' : ''}; the policy's stallSeconds allows no more`,
          { command: spec.command, stallSeconds: seconds },
        ),
      );
    },
    Math.min(1000, (seconds * 1000) / 4),
  );
}

function keepIn(kept: Buffer[]): (bytes: Buffer) => void {
  let room = stdoutKept;
  return (bytes) => {
    if (room > 0) kept.push(bytes.subarray(0, room));
    room -= bytes.length;
  };
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
