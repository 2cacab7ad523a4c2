import { NamedError } from '../../contract/errors/named-error.ts';
import type { IndexFrame, IndexVolume } from '../../contract/formats/index-file.ts';
import type { Manifest, StreamSummary } from '../../contract/formats/manifest.ts';
import { volumeKey } from '../../contract/layout.ts';
import type { GetObject } from './get-object.ts';
import { release } from './release.ts';
import { makeDecompressors } from './zstd-decompressors.ts';

/** Some whole frames of one volume that follow each other, fetched by one ranged get. */
export type Piece = { volume: IndexVolume; frames: IndexFrame[]; at: number; bytes: number };
export type Fetched<P extends Piece> = P & { data: Buffer; giveBack: () => void };
/** A piece whose memory is given back when the last of its frames has been used. */
export type Held = { giveBack: () => void; left: number };
/** What was read, with how its memory is given back. */
export type Lent = WeakMap<Buffer, () => void>;
export type FrameBytes = { frame: IndexFrame; stored: Buffer; piece: Held };

/** One get. Large enough that a request's latency is a small part of it, small enough to have many. */
export const rangeBytes = 8 * 1024 * 1024;
/** S3 gives about 90 MB/s on one connection: eight fill 5 Gbit/s and more. */
const mostRanges = 8;
export const mostDecompressing = 3;
/** Those that this version writes. */
const ordinaryFrame = 4 * 1024 * 1024;

/** How many ranges a memory budget allows: 128 MiB are the runner's own, and what is fetched is held twice for a while. */
export const rangesInFlight = (memoryMiB: number) =>
  Math.min(mostRanges, Math.max(2, Math.floor((memoryMiB - 128) / 24)));

/** One frame of a piece has been used. */
export function used(piece: Held): void {
  piece.left -= 1;
  if (piece.left === 0) piece.giveBack();
}

/**
 * The memory of ranges, used again and again: without, the garbage collector runs for every few of them, since it sees
 * how much comes and not how soon it goes.
 */
function makeRangeMemory() {
  const free: Buffer[] = [];
  return (bytes: number) => {
    const whole = bytes > rangeBytes ? undefined : (free.pop() ?? Buffer.allocUnsafeSlow(rangeBytes));
    if (whole !== undefined) return { data: whole.subarray(0, bytes), giveBack: () => void free.push(whole) };
    const own = Buffer.allocUnsafeSlow(bytes);
    return { data: own, giveBack: () => release(own) };
  };
}

export type FrameReaderOptions = {
  manifest: Manifest;
  summary: StreamSummary;
  getObject: GetObject;
  signal: AbortSignal;
  lent: Lent;
};

/** Cuts frames of one volume that follow each other into ranges. */
export function* rangesOf(volume: IndexVolume, frames: readonly IndexFrame[]): Generator<Piece> {
  let begin = 0;
  let bytes = 0;
  for (const [i, frame] of frames.entries()) {
    bytes += frame.stored;
    const following = frames[i + 1];
    const goesOn = following !== undefined && following.at === frame.at + frame.stored;
    if (goesOn && bytes + following.stored <= rangeBytes) continue;
    const own = frames.slice(begin, i + 1);
    yield { volume, frames: own, at: own[0]!.at, bytes };
    begin = i + 1;
    bytes = 0;
  }
}

/** Fetches ranges of one stream and gives the content of their frames, each checked by its length and zstd's checksum. */
export function makeFrameReader({ manifest, summary, getObject, signal, lent }: FrameReaderOptions) {
  const { stream } = summary;
  const keyOf = (n: number) => volumeKey(manifest, stream, n);
  const damaged = (what: string, n?: number) =>
    new NamedError(
      'Restore.StreamDamaged',
      `stream ${stream}${n === undefined ? '' : `, volume ${n} (${keyOf(n)})`}: ${what}`,
      n === undefined ? { stream, index: summary.index.key } : { stream, volume: n, key: keyOf(n) },
    );
  const take = makeRangeMemory();
  const ordinary = makeDecompressors(ordinaryFrame);
  return {
    damaged,

    async fetch<P extends Piece>(piece: P): Promise<Fetched<P>> {
      const { volume } = piece;
      const { data, giveBack } = take(piece.bytes);
      await getObject({
        key: keyOf(volume.n),
        ...(volume.version === null ? {} : { versionId: volume.version }),
        from: piece.at,
        into: data,
        signal,
      });
      return { ...piece, data, giveBack };
    },

    async plain({ frame, stored, piece }: FrameBytes): Promise<Buffer> {
      if (summary.codec === 'none') {
        lent.set(stored, () => used(piece));
        if (stored.length === frame.bytes) return stored;
        throw damaged(`a frame of ${frame.bytes} bytes is stored in ${stored.length}`, frame.n);
      }
      const own = frame.bytes > ordinaryFrame ? makeDecompressors(frame.bytes) : undefined;
      const decompressing = (own ?? ordinary).decompress(stored, frame.bytes).finally(() => own?.close());
      const { bytes, giveBack } = await decompressing.catch((error: Error) => {
        throw damaged(`the frame at ${frame.at} cannot be decompressed: ${error.message}`, frame.n);
      });
      used(piece);
      lent.set(bytes, giveBack);
      if (bytes.length === frame.bytes) return bytes;
      throw damaged(
        `the frame at ${frame.at} gives ${bytes.length} bytes instead of ${frame.bytes}`,
        frame.n,
      );
    },

    close: () => ordinary.close(),
  };
}

/** The frames of fetched pieces, in order. */
export async function* framesOf<P extends Piece>(
  pieces: AsyncIterable<Fetched<P>>,
): AsyncGenerator<FrameBytes> {
  for await (const { frames, at, data, giveBack } of pieces) {
    const piece = { giveBack, left: frames.length };
    for (const frame of frames) {
      const begin = frame.at - at;
      yield { frame, stored: data.subarray(begin, begin + frame.stored), piece };
    }
  }
}
