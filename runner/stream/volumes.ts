import { crc32 } from 'node:zlib';
import type { IndexVolume } from '../../contract/formats/index-file.ts';
import type { Bell } from './bell.ts';
import { crcHex } from './crc.ts';
import type { Gate } from './gate.ts';
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
  /** Copies bytes in, at most `room()` of them; `standsFor` is what they are in the stream. Says where they lie. */
  append: (bytes: Buffer, standsFor: number) => { n: number; at: number };
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
      buffers.give(full);
    } catch (error) {
      options.fail(error);
    } finally {
      bell.ring();
    }
  };

  return {
    room: () => {
      buffer ??= buffers.take();
      return buffer === undefined ? 0 : buffer.length - at;
    },
    filled: () => at,
    append: (bytes, standsFor) => {
      const place = { n, at };
      bytes.copy(buffer!, at);
      // The bytes are in the cache now; at the volume's end they would have to be fetched from memory again.
      crc = crc32(bytes, crc);
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
