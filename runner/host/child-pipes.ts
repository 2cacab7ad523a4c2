import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeLineSplitter } from './line-splitter.ts';

/** A pipe that a process outside the group holds open is given up after this long without a byte. */
const idlePipeMs = 1000;

/** When a byte moved last, and whether the consumer of stdout holds one now. */
export type Activity = { at: number; consuming: boolean };

/** The child waits while `consume` does, since nothing is read from its pipe meanwhile. */
export async function drainStdout(
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
 * a consumer that does not return is left behind only where the child has failed anyway.
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
  while (!done) {
    await Promise.race([finished, sleep(100)]);
    if (done || performance.now() - activity.at < idlePipeMs) continue;
    if (!activity.consuming) stream.destroy();
    else if (failed()) return;
  }
}
