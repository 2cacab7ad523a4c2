import type { IndexFrame } from '../../contract/formats/index-file.ts';
import type { Bell } from './bell.ts';
import type { Volumes } from './volumes.ts';

/**
 * A frame ends early at a change of file once it holds this much: a small table then costs little more than itself
 * to fetch, and a directory of ten thousand tiny files still makes few frames.
 */
export const earlyEndBytes = 1024 * 1024;

/** Less than this is not worth a read of its own. */
export const smallestLanding = 64 * 1024;

export type Frames = {
  /**
   * Copies as many bytes as there is room for now and says how many; 0 means: wait for the bell. Bytes that lie where
   * `landing` said are not copied. `crc` is the CRC32 of all of them, where it is known.
   */
  take: (bytes: Buffer, crc?: number) => number;
  /** Where the next bytes go, for whoever can put them there himself; it stays theirs until the next `take`. */
  landing: () => Buffer | undefined;
  /** The stream goes on to another file here. */
  boundary: () => void;
  /** Ends the frame and the volume here; resolves when the volume is on its way. */
  flush: () => Promise<void>;
  count: () => number;
};

export type FramesOptions = {
  stream: string;
  codec: 'zstd' | 'none';
  level: number;
  frameBytes: number;
  compressInFlight: number;
  volumes: Volumes;
  bell: Bell;
  signal: AbortSignal;
  fail: (error: unknown) => void;
  onFrame: (row: IndexFrame) => void;
};
