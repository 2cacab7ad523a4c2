import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { IndexFrame, IndexVolume } from '../../contract/formats/index-file.ts';
import type { Manifest, StreamSummary } from '../../contract/formats/manifest.ts';
import { volumeKey } from '../../contract/layout.ts';
import type { StoredBackup } from '../engines/engine.ts';
import { ahead } from './ahead.ts';
import { crcHex } from './crc.ts';
import type { GetObject } from './get-object.ts';
import { type IndexedVolume, indexedVolumes } from './read-index.ts';
import { release } from './release.ts';
import { makeDecompressors } from './zstd-decompressors.ts';

export type StoredOptions = {
  manifest: Manifest;
  getObject: GetObject;
  signal: AbortSignal;
  /** The host's memory budget for this job; it decides how many ranges are fetched at once. */
  memoryMiB: number;
};

/** Some whole frames of one volume, fetched by one ranged get. */
type Piece = { volume: IndexVolume; frames: IndexFrame[]; at: number; bytes: number; last: boolean };
type Fetched = Piece & { data: Buffer; giveBack: () => void };
/** A piece whose memory is given back when the last of its frames has been used. */
type Held = { giveBack: () => void; left: number };
/** What `read` gave, with how its memory is given back. */
type Lent = WeakMap<Buffer, () => void>;
type FrameBytes = { frame: IndexFrame; stored: Buffer; piece: Held };

/** One get. Large enough that a request's latency is a small part of it, small enough to have many. */
const rangeBytes = 8 * 1024 * 1024;
/** S3 gives about 90 MB/s on one connection: eight fill 5 Gbit/s and more. */
const mostRanges = 8;
const mostDecompressing = 3;
/** Those that this version writes. */
const ordinaryFrame = 4 * 1024 * 1024;

/** How many ranges a memory budget allows: 128 MiB are the runner's own, and what is fetched is held twice for a while. */
export const rangesInFlight = (memoryMiB: number) =>
  Math.min(mostRanges, Math.max(2, Math.floor((memoryMiB - 128) / 24)));

/**
 * Opens a stored backup for reading. Every volume's CRC32, every frame's length and the stream's tiling are checked
 * against the index, and the index against the manifest; any difference is Restore.StreamDamaged with the key.
 * The bytes of a volume are handed out before its CRC32 is known: a reader must not finish anything before the end.
 */
export async function openStored(options: StoredOptions): Promise<StoredBackup> {
  const { manifest } = options;
  const indexes = new Map<string, Buffer>();
  for (const { index } of manifest.streams) {
    if (!indexes.has(index.key)) indexes.set(index.key, await fetchIndex(index, options));
  }
  const lent: Lent = new WeakMap();
  return {
    manifest,
    streams: manifest.streams,
    done: (bytes) => {
      const giveBack = lent.get(bytes);
      lent.delete(bytes);
      giveBack?.();
    },
    read: (stream) => {
      const summaries = manifest.streams.filter((s) => s.stream === stream);
      if (summaries.length !== 1) {
        throw new NamedError(
          'Restore.StreamDamaged',
          `the manifest names ${summaries.length} streams ${stream}`,
          {
            stream,
          },
        );
      }
      const summary = summaries[0]!;
      return readStream(summary, indexes.get(summary.index.key)!, lent, options);
    },
  };
}

/** An index is held as a whole. That of 1 TB of stream has about 10 MB; more than this no host's memory has room for. */
const largestIndex = 256 * 1024 * 1024;

async function fetchIndex(index: StreamSummary['index'], options: StoredOptions): Promise<Buffer> {
  if (index.bytes < 1 || index.bytes > largestIndex) {
    throw new NamedError(
      'Restore.StreamDamaged',
      `${index.key} has ${index.bytes} bytes by its manifest; 1 to ${largestIndex} are read`,
      { key: index.key, bytes: index.bytes },
    );
  }
  const bytes = Buffer.allocUnsafeSlow(index.bytes);
  await options.getObject({
    key: index.key,
    ...(index.version === null ? {} : { versionId: index.version }),
    from: 0,
    into: bytes,
    signal: options.signal,
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 === index.sha256) return bytes;
  throw new NamedError(
    'Restore.StreamDamaged',
    `${index.key} has the SHA-256 ${sha256}; the manifest says ${index.sha256}`,
    { key: index.key },
  );
}

/** One frame of a piece has been used. */
function used(piece: Held): void {
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

async function* readStream(
  summary: StreamSummary,
  index: Buffer,
  lent: Lent,
  options: StoredOptions,
): AsyncGenerator<Buffer> {
  const { stream } = summary;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const keyOf = (n: number) => volumeKey(options.manifest, stream, n);
  const damaged = (what: string, n?: number) =>
    new NamedError(
      'Restore.StreamDamaged',
      `stream ${stream}${n === undefined ? '' : `, volume ${n} (${keyOf(n)})`}: ${what}`,
      n === undefined ? { stream, index: summary.index.key } : { stream, volume: n, key: keyOf(n) },
    );

  const take = makeRangeMemory();
  const fetchPiece = async (piece: Piece): Promise<Fetched> => {
    const { volume } = piece;
    const { data, giveBack } = take(piece.bytes);
    await options.getObject({
      key: keyOf(volume.n),
      ...(volume.version === null ? {} : { versionId: volume.version }),
      from: piece.at,
      into: data,
      signal,
    });
    return { ...piece, data, giveBack };
  };

  async function* framesOf(pieces: AsyncIterable<Fetched>): AsyncGenerator<FrameBytes> {
    let crc = 0;
    for await (const { volume, frames, at, last, data, giveBack } of pieces) {
      crc = crc32(data, crc);
      const piece = { giveBack, left: frames.length };
      for (const frame of frames) {
        const begin = frame.at - at;
        yield { frame, stored: data.subarray(begin, begin + frame.stored), piece };
      }
      if (!last) continue;
      if (crcHex(crc) !== volume.crc) {
        throw damaged(`its bytes have the CRC32 ${crcHex(crc)}, the index says ${volume.crc}`, volume.n);
      }
      crc = 0;
    }
  }

  const ordinary = makeDecompressors(ordinaryFrame);
  const plain = async ({ frame, stored, piece }: FrameBytes): Promise<Buffer> => {
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
    throw damaged(`the frame at ${frame.at} gives ${bytes.length} bytes instead of ${frame.bytes}`, frame.n);
  };

  try {
    let bytes = 0;
    const ranges = piecesOf(indexedVolumes(index, stream, damaged), summary, damaged);
    const fetched = ahead(ranges, rangesInFlight(options.memoryMiB), fetchPiece);
    for await (const frame of ahead(framesOf(fetched), mostDecompressing, plain)) {
      bytes += frame.length;
      yield frame;
    }
    if (bytes !== summary.bytes) throw damaged(`it has ${bytes} bytes, the manifest says ${summary.bytes}`);
  } finally {
    stop.abort(new Error('the reader has left'));
    ordinary.close();
  }
}

/** Cuts each volume into ranges of whole frames. Refuses an index that names other than the manifest's volumes. */
async function* piecesOf(
  volumes: AsyncIterable<IndexedVolume>,
  summary: StreamSummary,
  damaged: (what: string, n?: number) => NamedError,
): AsyncGenerator<Piece> {
  let count = 0;
  for await (const { volume, frames } of volumes) {
    count += 1;
    let begin = 0;
    let bytes = 0;
    for (const [i, frame] of frames.entries()) {
      bytes += frame.stored;
      const following = frames[i + 1];
      if (following !== undefined && bytes + following.stored <= rangeBytes) continue;
      const own = frames.slice(begin, i + 1);
      yield { volume, frames: own, at: own[0]!.at, bytes, last: following === undefined };
      begin = i + 1;
      bytes = 0;
    }
  }
  if (count !== summary.volumes) {
    throw damaged(`the index has ${count} volumes, the manifest says ${summary.volumes}`);
  }
}
