import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeLineSplitter } from './line-splitter.ts';

/** A pipe that a process outside the group holds open is given up after so many looks without a byte, 100 ms apart. */
const idleLooks = 10;

/** When a byte moved last, and whether the consumer of stdout holds one now. */
export type Activity = { at: number; consuming: boolean };

/**
 * Makes what takes the reads of a child's stdout: false while `consume` holds on to the bytes, and `resume` is called
 * when it has let go; the child waits meanwhile. What comes after it failed is thrown away.
 */
export function makeConsumer(
  consume: (bytes: Buffer) => void | Promise<void>,
  activity: Activity,
  touch: () => void,
  fail: (error: unknown) => void,
  resume: () => void,
): (bytes: Buffer) => boolean {
  let failed = false;
  const broken = (error: unknown) => {
    failed = true;
    fail(error);
  };
  return (bytes) => {
    touch();
    if (failed) return true;
    try {
      const consuming = consume(bytes);
      if (consuming === undefined) return true;
      activity.consuming = true;
      void consuming.catch(broken).then(() => {
        activity.consuming = false;
        touch();
        resume();
      });
      return false;
    } catch (error) {
      broken(error);
      return true;
    }
  };
}

/** Reads a pipe until it is closed, by its writer or by us. */
export async function drainPipe(stream: Readable, fail: (error: unknown) => void): Promise<void> {
  stream.on('error', fail);
  stream.resume();
  if (!stream.closed) await new Promise<void>((resolve) => stream.once('close', resolve));
}

/** Reads stderr to its end whatever becomes of the lines, so that a flood of it never stops the tool (F05). */
export async function drainStderr(
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

/** Writes `source` to the tool's stdin. Throws EPIPE where the tool ended before its input did. */
export async function feedStdin(
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
 * a consumer that does not return is left behind only where the child has failed anyway. Looks are counted, not time:
 * between two of them the pipe was read, while a runner that was held up itself finds the time gone and the bytes unread.
 */
export async function finishPipe(
  stream: Readable,
  reading: Promise<void>,
  activity: Activity,
  failed: () => boolean,
): Promise<void> {
  let done = false;
  const finished = reading.then(() => {
    done = true;
  });
  let seen = activity.at;
  let idle = 0;
  while (!done) {
    await Promise.race([finished, sleep(100)]);
    idle = activity.at === seen ? idle + 1 : 0;
    seen = activity.at;
    if (done || idle < idleLooks) continue;
    if (!activity.consuming || failed()) stream.destroy();
  }
}
