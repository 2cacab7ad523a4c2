import { crc32 } from 'node:zlib';
import type { StreamSummary } from '../../contract/formats/manifest.ts';
import { makeFrameShare, type NeededChunk, neededOf } from '../../contract/formats/needed-bytes.ts';
import type { FilePiece, StoredFiles } from '../engines/engine.ts';
import { ahead } from './ahead.ts';
import { crcHex } from './crc.ts';
import {
  framesOf,
  type Lent,
  makeFrameReader,
  mostDecompressing,
  type Piece,
  rangesInFlight,
  rangesOf,
} from './frame-reader.ts';
import { fileRows, indexedVolumes } from './read-index.ts';
import type { StoredOptions } from './stored.ts';

type Chunk = NeededChunk<'wanted'>;

/**
 * Reads some files of a stream: of each volume only the frames that hold something of them, frames that follow each
 * other in one get. A volume's own CRC32 cannot be compared where it is read in part; in its place stand the checksum
 * of each frame and the CRC32 of each chunk, which together cover every byte that is handed out.
 */
export async function readFiles(
  summary: StreamSummary,
  index: Buffer,
  wanted: Parameters<StoredFiles['readFiles']>[1],
  options: StoredOptions,
): ReturnType<StoredFiles['readFiles']> {
  const { stream } = summary;
  const stop = new AbortController();
  const lent: Lent = new WeakMap();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const reader = makeFrameReader({ ...options, summary, lent, signal });
  const { damaged } = reader;
  const rows = fileRows(index, stream);
  const paths: string[] = [];
  for await (const { path } of rows.files()) paths.push(path);
  const isWanted = wanted(paths);
  const { files, chunks, faults } = await neededOf(rows, (path) => (isWanted(path) ? 'wanted' : undefined));
  if (faults.length > 0) throw damaged(`the index is not sound: ${faults.slice(0, 5).join('; ')}`);

  async function* ranges(): AsyncGenerator<Piece> {
    const shareOf = makeFrameShare(chunks);
    let volumes = 0;
    for await (const { volume, frames } of indexedVolumes(index, stream, damaged)) {
      volumes += 1;
      yield* rangesOf(
        volume,
        frames.filter((frame) => shareOf(frame) !== undefined),
      );
    }
    if (volumes !== summary.volumes) {
      throw damaged(`the index has ${volumes} volumes, the manifest says ${summary.volumes}`);
    }
  }

  async function* pieces(): AsyncGenerator<FilePiece> {
    const last = new Map(chunks.map((chunk) => [chunk.file, chunk]));
    let next = 0;
    let crc = 0;
    /** What the frames held so far of the chunk in hand. */
    let done = 0;
    try {
      const fetched = ahead(ranges(), rangesInFlight(options.memoryMiB), reader.fetch);
      const plain = ahead(framesOf(fetched), mostDecompressing, async (of) => ({
        from: of.frame.from,
        n: of.frame.n,
        bytes: await reader.plain(of),
      }));
      for await (const { from, n, bytes } of plain) {
        while (next < chunks.length && chunks[next]!.from < from + bytes.length) {
          const chunk: Chunk = chunks[next]!;
          const begin = chunk.from + done - from;
          if (begin < 0) throw damaged(`bytes of ${chunk.file.path} are in no frame`, n);
          const part = bytes.subarray(begin, begin + chunk.bytes - done);
          crc = crc32(part, crc);
          const whole = done + part.length === chunk.bytes;
          if (whole && crcHex(crc) !== chunk.crc) {
            throw damaged(
              `${chunk.file.path} has the CRC32 ${crcHex(crc)} from byte ${chunk.off} on, the tool gave it ${chunk.crc}`,
              n,
            );
          }
          const off = chunk.off + done;
          yield { path: chunk.file.path, off, bytes: part, last: whole && last.get(chunk.file) === chunk };
          if (!whole) {
            done += part.length;
            break;
          }
          next += 1;
          done = 0;
          crc = 0;
        }
        lent.get(bytes)?.();
      }
      if (next < chunks.length) throw damaged(`the frames end before ${chunks[next]!.file.path} does`);
    } finally {
      stop.abort(new Error('the reader has left'));
      reader.close();
    }
  }

  return {
    files: files.map(({ path, bytes }) => ({ path, bytes })),
    bytes: chunks.reduce((sum, chunk) => sum + chunk.bytes, 0),
    pieces: pieces(),
  };
}
