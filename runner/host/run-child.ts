import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../contract/errors/named-error.ts';
import { release } from '../stream/release.ts';
import { findAccount } from './accounts.ts';
import type { ChildEnd, ChildSpec, RunChild } from './child.ts';
import { findCommand, systemPath } from './find-command.ts';
import { makeLineSplitter } from './line-splitter.ts';
import { endGroup, groupLives } from './process-group.ts';
import { makeRing } from './ring.ts';

const stderrKept = 64 * 1024;
const stdoutKept = 1024 * 1024;
/** How long processes that outlive the tool itself may finish before the group is ended. */
const strayMs = 2000;
/** A pipe that a process outside the group holds open is given up after this long without a byte. */
const idlePipeMs = 1000;

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
    runChild({ ...spec, env: spec.env ?? { PATH: path, LANG: 'C', TZ: 'UTC' } }, graceMs, wrapper);
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
  let child: ChildProcess;
  try {
    child = start(spec, wrapper);
  } catch (error) {
    firstCause = asError(error);
    return end(null, null);
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
    await exit;
    return end(null, null);
  }

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

  const abort = () => fail(spec.signal?.reason);
  spec.signal?.addEventListener('abort', abort, { once: true });
  const watchdog = watchStall(spec, activity, fail);
  const stderr = drainStderr(child.stderr!, ring.push, spec.onStderrLine, touch, fail);
  const stdout = drainStdout(child.stdout!, consumerOf(spec, kept), activity, touch, fail);
  const stdin = spec.stdin
    ? feedStdin(child.stdin!, spec.stdin, touch, exit).catch((error: unknown) => {
        // A tool that closes its stdin has usually failed, and its own exit says why (F04).
        if ((error as NodeJS.ErrnoException).code === 'EPIPE') consequence ??= asError(error);
        else fail(error);
      })
    : undefined;

  const [exitCode, signal] = await exit;
  await endStrays(group, endIt);
  await Promise.all([
    finishPipe(child.stdout!, stdout, activity, () => firstCause !== undefined),
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

function start(spec: WholeSpec, wrapper: string | undefined): ChildProcess {
  const { env } = spec;
  const command = findCommand(spec.command, env.PATH);
  if (!command) throw new Error(`${spec.command} is not on this host`);
  const account = spec.user === undefined ? undefined : findAccount(spec.user);
  if (spec.user !== undefined && !account) throw new Error(`there is no account ${spec.user} on this host`);
  const change = account !== undefined && account.uid !== process.getuid?.() ? account : undefined;
  const options = {
    detached: true,
    env,
    stdio: [spec.stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] as ('pipe' | 'ignore')[],
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

type Activity = { at: number; consuming: boolean };

/** The byte watchdog (F07): a live heartbeat says nothing about a tool that hangs. */
function watchStall(
  spec: ChildSpec,
  activity: Activity,
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
          `${spec.command} moved no byte for ${seconds} s; the policy's stallSeconds allows no more`,
          { command: spec.command, stallSeconds: seconds },
        ),
      );
    },
    Math.min(1000, (seconds * 1000) / 4),
  );
}

/** Each read of a pipe is a new 64 KiB: given back when the consumer is done, or a backup's memory is its garbage. */
function consumerOf({ onStdout }: ChildSpec, kept: Buffer[]): (bytes: Buffer) => void | Promise<void> {
  if (onStdout === undefined) return keepIn(kept);
  return async (bytes) => {
    await onStdout(bytes);
    release(bytes);
  };
}

/** The child waits while `consume` does, since nothing is read from its pipe meanwhile. */
async function drainStdout(
  stream: Readable,
  consume: (bytes: Buffer) => void | Promise<void>,
  activity: Activity,
  touch: () => void,
  fail: (error: unknown) => void,
): Promise<void> {
  let failed = false;
  try {
    for await (const bytes of stream) {
      touch();
      if (failed) continue;
      activity.consuming = true;
      try {
        await consume(bytes as Buffer);
      } catch (error) {
        failed = true;
        fail(error);
      }
      activity.consuming = false;
      touch();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') fail(error);
  }
}

async function drainStderr(
  stream: Readable,
  keep: (line: string) => void,
  onLine: ((line: string) => void) | undefined,
  touch: () => void,
  fail: (error: unknown) => void,
): Promise<void> {
  const splitter = makeLineSplitter((line) => {
    keep(line);
    try {
      onLine?.(line);
    } catch (error) {
      fail(error);
    }
  });
  stream.on('data', (bytes: Buffer) => {
    touch();
    splitter.push(bytes);
  });
  await new Promise<void>((resolve) => stream.once('close', resolve));
  splitter.end();
}

async function feedStdin(
  stream: Writable,
  source: AsyncIterable<Buffer>,
  touch: () => void,
  exit: Promise<unknown>,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  const gone = exit.then(() => 'gone' as const);
  let broken: Error | undefined;
  stream.on('error', (error) => {
    broken ??= error;
  });
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), gone]);
      if (broken) throw broken;
      // The tool ended before its input did: an error only where it claims success, as a broken pipe is.
      if (next === 'gone')
        throw Object.assign(new Error('the tool ended before its input'), { code: 'EPIPE' });
      if (next.done) break;
      if (!stream.write(next.value)) await Promise.race([settled(stream, 'drain'), gone]);
      touch();
    }
    stream.end();
    if (!stream.writableFinished)
      await Promise.race([settled(stream, 'finish'), gone.then(() => sleep(100))]);
    if (broken) throw broken;
  } finally {
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
    if (broken) stream.destroy();
  }
}

function settled(stream: Writable, event: 'drain' | 'finish'): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off(event, done).off('error', done).off('close', done);
      resolve();
    };
    stream.on(event, done).on('error', done).on('close', done);
  });
}

/**
 * Waits for the end of a pipe. One that a process outside the group keeps open is closed once no more bytes come;
 * a consumer that does not return is left behind only where the child has failed anyway.
 */
async function finishPipe(
  stream: Readable,
  reading: Promise<void>,
  activity: Activity,
  failed: () => boolean,
): Promise<void> {
  let done = false;
  const finished = reading.then(() => {
    done = true;
  });
  while (!done) {
    await Promise.race([finished, sleep(100)]);
    if (done || performance.now() - activity.at < idlePipeMs) continue;
    if (!activity.consuming) stream.destroy();
    else if (failed()) return;
  }
}

function keepIn(kept: Buffer[]): (bytes: Buffer) => void {
  let room = stdoutKept;
  return (bytes) => {
    if (room > 0) kept.push(bytes.subarray(0, room));
    room -= bytes.length;
  };
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
