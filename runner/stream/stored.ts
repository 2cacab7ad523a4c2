import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { Manifest, StreamSummary } from '../../contract/formats/manifest.ts';
import type { StoredBackup, StoredFiles } from '../engines/engine.ts';
import { ahead } from './ahead.ts';
import { crcHex } from './crc.ts';
import {
  type Fetched,
  framesOf,
  type Lent,
  makeFrameReader,
  mostDecompressing,
  type Piece,
  rangesInFlight,
  rangesOf,
} from './frame-reader.ts';
import type { GetObject } from './get-object.ts';
import { readFiles } from './read-files.ts';
import { fileRows, type IndexedVolume, indexedVolumes } from './read-index.ts';

export type StoredOptions = {
  manifest: Manifest;
  getObject: GetObject;
  signal: AbortSignal;
  /** The host's memory budget for this job; it decides how many ranges are fetched at once. */
  memoryMiB: number;
};

/** A range of a volume that is read whole. */
type WholePiece = Piece & { last: boolean };

/**
 * Opens a stored backup for reading. Every volume's CRC32, every frame's length and the stream's tiling are checked
 * against the index, and the index against the manifest; any difference is Restore.StreamDamaged with the key.
 * The bytes of a volume are handed out before its CRC32 is known: a reader must not finish anything before the end.
 */
export async function openStored(options: StoredOptions): Promise<StoredBackup & StoredFiles> {
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
      const summary = summaryOf(manifest, stream);
      return readStream(summary, indexes.get(summary.index.key)!, lent, options);
    },
    listFiles: (stream) => {
      const { index } = summaryOf(manifest, stream);
      return fileRows(indexes.get(index.key)!, stream).files();
    },
    readFiles: (stream, wanted) => {
      const summary = summaryOf(manifest, stream);
      return readFiles(summary, indexes.get(summary.index.key)!, wanted, options);
    },
  };
}

function summaryOf(manifest: Manifest, stream: string): StreamSummary {
  const [summary, ...more] = manifest.streams.filter((s) => s.stream === stream);
  if (summary !== undefined && more.length === 0) return summary;
  throw new NamedError(
    'Restore.StreamDamaged',
    `the manifest names ${summary === undefined ? 0 : more.length + 1} streams ${stream}`,
    { stream },
  );
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

async function* readStream(
  summary: StreamSummary,
  index: Buffer,
  lent: Lent,
  options: StoredOptions,
): AsyncGenerator<Buffer> {
  const { stream } = summary;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const reader = makeFrameReader({ ...options, summary, lent, signal });
  const { damaged } = reader;

  async function* checked(pieces: AsyncIterable<Fetched<WholePiece>>): AsyncGenerator<Fetched<WholePiece>> {
    let crc = 0;
    for await (const piece of pieces) {
      const { volume } = piece;
      crc = crc32(piece.data, crc);
      if (piece.last && crcHex(crc) !== volume.crc) {
        throw damaged(`its bytes have the CRC32 ${crcHex(crc)}, the index says ${volume.crc}`, volume.n);
      }
      if (piece.last) crc = 0;
      yield piece;
    }
  }

  try {
    let bytes = 0;
    const ranges = piecesOf(indexedVolumes(index, stream, damaged), summary, damaged);
    const fetched = ahead(ranges, rangesInFlight(options.memoryMiB), reader.fetch);
    for await (const frame of ahead(framesOf(checked(fetched)), mostDecompressing, reader.plain)) {
      bytes += frame.length;
      yield frame;
    }
    if (bytes !== summary.bytes) throw damaged(`it has ${bytes} bytes, the manifest says ${summary.bytes}`);
  } finally {
    stop.abort(new Error('the reader has left'));
    reader.close();
  }
}

/** Cuts each volume into ranges of whole frames. Refuses an index that names other than the manifest's volumes. */
async function* piecesOf(
  volumes: AsyncIterable<IndexedVolume>,
  summary: StreamSummary,
  damaged: (what: string, n?: number) => NamedError,
): AsyncGenerator<WholePiece> {
  let count = 0;
  for await (const { volume, frames } of volumes) {
    count += 1;
    for (const piece of rangesOf(volume, frames)) {
      yield { ...piece, last: piece.at + piece.bytes === volume.bytes };
    }
  }
  if (count !== summary.volumes) {
    throw damaged(`the index has ${count} volumes, the manifest says ${summary.volumes}`);
  }
}
