import { crc32 } from 'node:zlib';
import type { IndexVolume } from '../../contract/formats/index-file.ts';
import type { Bell } from './bell.ts';
import { crcHex, joinCrc } from './crc.ts';
import type { Gate } from './gate.ts';
import { liesAt } from './landing.ts';
import type { PutObject } from './put-object.ts';
import type { VolumeBuffers } from './volume-buffers.ts';

export type VolumesOptions = {
  stream: string;
  keyOf: (n: number) => string;
  buffers: VolumeBuffers;
  gate: Gate;
  putObject: PutObject;
  bell: Bell;
  signal: AbortSignal;
  /** Ends the whole job's upload; the first error is the one that is told. */
  fail: (error: unknown) => void;
  /** Called for each stored volume, in the order of the stream. */
  onVolume: (row: IndexVolume) => void;
};

export type Volumes = {
  /** Bytes that still fit into the volume being filled; 0 while no buffer is free. */
  room: () => number;
  /** Bytes in the volume being filled. */
  filled: () => number;
  /** The next `most` bytes of the volume being filled, `room()` of them at most: lent until the next append. */
  landing: (most: number) => Buffer;
  /**
   * Copies bytes in, at most `room()` of them, unless they lie there already; `standsFor` is what they are in the stream,
   * `crc` their CRC32 where it is known. Says where they lie.
   */
  append: (bytes: Buffer, standsFor: number, crc?: number) => { n: number; at: number };
  /** Sends the volume being filled on its way, when it holds anything. */
  close: () => void;
  /** Resolves when every volume closed so far is stored. */
  stored: () => Promise<void>;
  /** Bytes of the stream in stored volumes. */
  streamBytesStored: () => number;
  totals: () => { volumes: number; storedBytes: number };
};

/** Fills volume buffers and uploads them; each volume is one conditional put of a buffer that is complete before. */
export function openVolumes(options: VolumesOptions): Volumes {
  const { stream, buffers, bell, signal } = options;
  let buffer: Buffer | undefined;
  let n = 0;
  let at = 0;
  let crc = 0;
  let standing = 0;
  let streamBytesStored = 0;
  let storedBytes = 0;
  const onTheirWay = new Set<Promise<void>>();
  const rowsAhead = new Map<number, IndexVolume>();
  let nextRow = 0;

  /** The buffer of a landing that may still be read into; and the same one, kept from others, once its volume is stored. */
  let lent: Buffer | undefined;
  let held: Buffer | undefined;
  const returned = () => {
    lent = undefined;
    if (held !== undefined) buffers.give(held);
    held = undefined;
  };

  const tell = (row: IndexVolume) => {
    rowsAhead.set(row.n, row);
    for (let next = rowsAhead.get(nextRow); next !== undefined; next = rowsAhead.get(nextRow)) {
      rowsAhead.delete(nextRow);
      nextRow += 1;
      options.onVolume(next);
    }
  };

  const upload = async (
    full: Buffer,
    volume: { n: number; bytes: number; crc: number; standing: number },
  ) => {
    try {
      const body = full.subarray(0, volume.bytes);
      const { versionId } = await options.gate(() => {
        signal.throwIfAborted();
        return options.putObject({ key: options.keyOf(volume.n), body, crc: volume.crc, signal });
      });
      tell({
        t: 'volume',
        stream,
        n: volume.n,
        bytes: volume.bytes,
        crc: crcHex(volume.crc),
        version: versionId,
      });
      streamBytesStored += volume.standing;
      storedBytes += volume.bytes;
      if (full === lent) held = full;
      else buffers.give(full);
    } catch (error) {
      options.fail(error);
    } finally {
      bell.ring();
    }
  };

  return {
    room: () => {
      if (buffer === undefined) {
        buffer = held ?? buffers.take();
        if (buffer === held) held = undefined;
      }
      return buffer === undefined ? 0 : buffer.length - at;
    },
    filled: () => at,
    landing: (most) => {
      lent = buffer;
      return buffer!.subarray(at, at + most);
    },
    append: (bytes, standsFor, known) => {
      const place = { n, at };
      if (!liesAt(bytes, buffer!, at)) bytes.copy(buffer!, at);
      returned();
      // The bytes are in the cache now; at the volume's end they would have to be fetched from memory again.
      crc = known === undefined ? crc32(bytes, crc) : joinCrc(crc, known, bytes.length);
      at += bytes.length;
      standing += standsFor;
      return place;
    },
    close: () => {
      if (buffer === undefined || at === 0) return;
      const going = upload(buffer, { n, bytes: at, crc, standing }).finally(() => onTheirWay.delete(going));
      onTheirWay.add(going);
      buffer = undefined;
      n += 1;
      at = 0;
      crc = 0;
      standing = 0;
    },
    stored: async () => {
      await Promise.all([...onTheirWay]);
      signal.throwIfAborted();
    },
    streamBytesStored: () => streamBytesStored,
    totals: () => ({ volumes: n, storedBytes }),
  };
}
