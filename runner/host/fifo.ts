import { closeSync, constants, lstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChildFifo } from './child.ts';
import { type Activity, drainPipe, finishPipe, makeConsumer } from './child-pipes.ts';

/** What the kernel keeps in a named pipe. */
const readBytes = 64 * 1024;
const lookMs = 10;

type Fifo = {
  /** Gives out what comes; closes once no process holds the other end. */
  reading: Socket;
  /** To be called when no writer can come any more: one that never came leaves a reader waiting for ever. */
  noMoreWriters: () => void;
};

/**
 * Waits until there is a named pipe at `path`, made by whoever will write to it, and reads from it. Opened without
 * waiting for that writer, who can only then open it himself: some tools look once a second.
 * `onRead` and `into` are as those of a wide pipe. Undefined when `signal` fires before there is one.
 */
async function openFifo(
  path: string,
  onRead: (bytes: Buffer) => boolean,
  into: () => Buffer | undefined,
  signal: AbortSignal,
): Promise<Fifo | undefined> {
  while (!isFifo(path)) {
    if (signal.aborted) return undefined;
    await sleep(lookMs);
  }
  const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  const own = Buffer.allocUnsafeSlow(readBytes);
  let goesOn = false;
  const reading = new Socket({
    fd: openSync(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW),
    readable: true,
    writable: false,
    onread: {
      buffer: () => (goesOn ? into()?.subarray(0, readBytes) : undefined) ?? own,
      callback: (n: number, bytes: Uint8Array) => {
        goesOn = onRead(bytes.subarray(0, n) as Buffer);
        return goesOn;
      },
    },
  });
  return {
    reading,
    noMoreWriters: () => {
      try {
        closeSync(openSync(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW));
      } catch {
        // Its reader has gone already, or the name has.
      }
    },
  };
}

function isFifo(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFIFO() ?? false;
}

/**
 * Reads a named pipe of a child from when it is made. `gone` fires when no process of the child lives; `finished`
 * waits for the rest after that. A consumer that fails is told by `fail`.
 */
export function readFifo(
  { path, onBytes, into = () => undefined }: ChildFifo,
  touch: () => void,
  fail: (error: unknown) => void,
  gone: AbortSignal,
) {
  const activity: Activity = { at: performance.now(), consuming: false };
  let opened: Fifo | undefined;
  const take = makeConsumer(
    onBytes,
    activity,
    () => {
      activity.at = performance.now();
      touch();
    },
    fail,
    () => opened?.reading.resume(),
  );
  const opening = openFifo(path, take, into, gone).then((fifo) => {
    opened = fifo;
    return fifo === undefined ? undefined : { fifo, drained: drainPipe(fifo.reading, fail) };
  });
  opening.catch(fail);
  return {
    activity,
    finished: async (failed: () => boolean) => {
      const found = await opening.catch(() => undefined);
      found?.fifo.noMoreWriters();
      if (found) await finishPipe(found.fifo.reading, found.drained, activity, failed);
    },
  };
}
