import type { IndexRow } from '../../contract/formats/index-file.ts';
import type { StreamSink } from '../engines/engine.ts';
import type { Bell } from './bell.ts';
import type { Frames } from './frames.ts';
import type { Spool } from './spool.ts';
import type { Volumes } from './volumes.ts';

export type StreamSinkOptions = {
  frames: Frames;
  volumes: Volumes;
  spool: Spool;
  bell: Bell;
  signal: AbortSignal;
  fail: (error: unknown) => void;
  row: (row: IndexRow) => void;
};

/** The sink that the engine writes to, and what the runner asks of it. */
export type OpenStream = StreamSink & {
  bytes: () => number;
  /** Stores all that was written; no write may follow. */
  end: () => Promise<void>;
};

/** Bytes read from the spool at once: a frame's worth would hold up others on the pool for longer. */
const spoolReadBytes = 1024 * 1024;
const done = Promise.resolve();

/**
 * Takes bytes into frames while there is room; otherwise the writer waits, or, in a lock phase, the spool takes
 * them. Whatever the way, bytes and file boundaries keep their order.
 */
export function makeStreamSink(options: StreamSinkOptions): OpenStream {
  const { frames, volumes, spool, bell, signal } = options;
  let accepted = 0;
  let position = 0;
  let spooling = false;
  let unspooling = false;
  let ended = false;
  let waiting: Promise<void> | undefined;
  let landed: Buffer | undefined;
  /** Stream offsets of file boundaries that bytes on their way have not reached. */
  const boundaries: number[] = [];

  /** Puts what there is room for into frames, in order; returns the rest. */
  const put = (bytes: Buffer, crc?: number): Buffer => {
    let rest = bytes;
    while (rest.length > 0) {
      while (boundaries[0] === position) {
        boundaries.shift();
        frames.boundary();
      }
      const most = boundaries.length === 0 ? rest.length : boundaries[0]! - position;
      const whole = most >= bytes.length;
      const taken = frames.take(most < rest.length ? rest.subarray(0, most) : rest, whole ? crc : undefined);
      if (taken === 0) return rest;
      position += taken;
      rest = rest.subarray(taken);
    }
    return rest;
  };

  const putAll = async (bytes: Buffer) => {
    for (let rest = put(bytes); rest.length > 0; rest = put(rest)) {
      await bell.heard();
      signal.throwIfAborted();
    }
  };

  const unspool = async () => {
    try {
      while (spool.size() > 0) {
        signal.throwIfAborted();
        const bytes = await spool.read(spoolReadBytes);
        bell.ring();
        await putAll(bytes);
      }
    } catch (error) {
      options.fail(error);
    } finally {
      unspooling = false;
      bell.ring();
    }
  };

  const takeSlowly = async (bytes: Buffer) => {
    let rest = bytes;
    for (;;) {
      signal.throwIfAborted();
      const rings = bell.rings();
      if (!unspooling) rest = put(rest);
      if (rest.length === 0) return;
      const spooled = spooling ? await spool.append(rest) : 0;
      if (spooled === 0) {
        await bell.heard(rings);
        continue;
      }
      rest = rest.subarray(spooled);
      if (!unspooling) {
        unspooling = true;
        void unspool();
      }
    }
  };

  const written = async () => {
    while (waiting !== undefined) await waiting;
    while (unspooling) await bell.heard();
    signal.throwIfAborted();
  };

  const store = async () => {
    await written();
    await frames.flush();
    await volumes.stored();
  };

  return {
    write: (bytes, crc) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (ended) return Promise.reject(new Error('a stream was written to after its end'));
      accepted += bytes.length;
      let rest = bytes;
      if (waiting === undefined && !unspooling) {
        rest = put(bytes, crc);
        if (rest.length === 0) return;
        // Where it landed is memory that will be filled again before it gets its turn.
        if (rest.buffer === landed?.buffer) rest = Buffer.from(rest);
      }
      const slow: Promise<void> = (waiting ?? done)
        .then(() => takeSlowly(rest))
        .finally(() => {
          if (waiting === slow) waiting = undefined;
        });
      waiting = slow;
      return slow;
    },
    landing: () => {
      landed = waiting === undefined && !unspooling && !ended ? frames.landing() : undefined;
      return landed;
    },
    fileBoundary: () => {
      if (accepted === position) frames.boundary();
      else boundaries.push(accepted);
    },
    row: options.row,
    drain: store,
    pending: () => accepted - volumes.streamBytesStored(),
    spool: (on) => {
      spooling = on;
      bell.ring();
    },
    bytes: () => accepted,
    end: async () => {
      ended = true;
      await store();
    },
  };
}
