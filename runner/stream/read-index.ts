import { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createZstdDecompress } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import {
  type IndexChunk,
  type IndexFile,
  type IndexFrame,
  type IndexVolume,
  indexChunkSchema,
  indexFileSchema,
  indexFrameSchema,
  indexVolumeSchema,
} from '../../contract/formats/index-file.ts';

/** Ours have 4 MiB; each is held as a whole, stored and plain, so a forged one would fill the memory (F71). */
export const largestFrame = 64 * 1024 * 1024;

/** A volume with its frames in order. */
export type IndexedVolume = { volume: IndexVolume; frames: IndexFrame[] };

/** The lines of a compressed index, read as they are asked for: the text of a large one would fill the memory. */
async function* lines(compressed: Buffer): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  // In slices, so that the decompressor works only as far as its reader has come.
  for await (const bytes of Readable.from(slices(compressed)).pipe(createZstdDecompress())) {
    const parts = (rest + decoder.write(bytes as Buffer)).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  if (rest !== '') yield rest;
}

function* slices(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

/** The volume and frame rows of one stream. Rows of other kinds are not even parsed: most are chunks. */
async function* rowsOf(compressed: Buffer, stream: string): AsyncGenerator<IndexFrame | IndexVolume> {
  for await (const line of lines(compressed)) {
    if (line.startsWith('{"t":"chunk"') || line.startsWith('{"t":"file"')) continue;
    const row = JSON.parse(line) as { t?: unknown; stream?: unknown };
    if (row.stream !== stream) continue;
    if (row.t === 'frame') yield indexFrameSchema.parse(row);
    else if (row.t === 'volume') yield indexVolumeSchema.parse(row);
  }
}

/** The rows of one stream that say what its files are made of, read anew at each call. */
export function fileRows(compressed: Buffer, stream: string) {
  async function* rows<T extends { stream: string }>(kind: string, parse: (row: unknown) => T) {
    for await (const line of lines(compressed)) {
      if (!line.startsWith(`{"t":"${kind}"`)) continue;
      const row = parse(JSON.parse(line));
      if (row.stream === stream) yield row;
    }
  }
  return {
    files: (): AsyncIterable<IndexFile> => rows('file', (row) => indexFileSchema.parse(row)),
    chunks: (): AsyncIterable<IndexChunk> => rows('chunk', (row) => indexChunkSchema.parse(row)),
  };
}

/**
 * The volumes of one stream in order, each with its frames, checked to tile the volume and the stream without gap or
 * overlap; whatever is wrong with the index is told by `damaged`. A volume's row comes after its frames', and later
 * volumes' frames may come before it, since it is written when the upload has ended: no more than the uploads in
 * flight wait here.
 */
export async function* indexedVolumes(
  compressed: Buffer,
  stream: string,
  damaged: (what: string, n?: number) => NamedError,
): AsyncGenerator<IndexedVolume> {
  const frames = new Map<number, IndexFrame[]>();
  let next = 0;
  let from = 0;
  try {
    for await (const row of rowsOf(compressed, stream)) {
      if (row.t === 'frame') {
        const known = frames.get(row.n);
        if (known) known.push(row);
        else frames.set(row.n, [row]);
        continue;
      }
      const own = frames.get(row.n) ?? [];
      frames.delete(row.n);
      if (row.n !== next) throw damaged(`the index goes on with volume ${row.n} after ${next - 1}`, next);
      from = tiled(row, own, from, damaged);
      next += 1;
      yield { volume: row, frames: own };
    }
  } catch (error) {
    throw error instanceof NamedError
      ? error
      : damaged(`the index cannot be read: ${(error as Error).message}`);
  }
  if (frames.size > 0) throw damaged('the index has frames of a volume that it does not name', next);
}

/** Checks that the frames fill the volume and go on where the stream was; returns where it is then. */
function tiled(
  volume: IndexVolume,
  frames: IndexFrame[],
  streamFrom: number,
  damaged: (what: string, n?: number) => NamedError,
): number {
  let at = 0;
  let from = streamFrom;
  for (const frame of frames) {
    if (frame.at !== at || frame.from !== from) {
      throw damaged(
        `a frame at ${frame.at} for ${frame.from} stands where ${at} for ${from} is due`,
        volume.n,
      );
    }
    if (frame.stored > largestFrame || frame.bytes > largestFrame) {
      throw damaged(
        `a frame of ${frame.stored} bytes for ${frame.bytes}; at most ${largestFrame} are read`,
        volume.n,
      );
    }
    at += frame.stored;
    from += frame.bytes;
  }
  if (at !== volume.bytes) throw damaged(`frames end at ${at} of ${volume.bytes} bytes`, volume.n);
  return from;
}
