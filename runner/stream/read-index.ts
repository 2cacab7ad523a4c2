import { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { createZstdDecompress } from 'node:zlib';
import type { NamedError } from '../../contract/errors/named-error.ts';
import {
  type IndexFrame,
  type IndexVolume,
  indexFrameSchema,
  indexVolumeSchema,
} from '../../contract/formats/index-file.ts';

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

/**
 * The volumes of one stream in order, each with its frames, checked to tile the volume and the stream without gap or
 * overlap. A volume's row comes after its frames' and later volumes' frames may come before it, since it is written
 * when the upload has ended: no more than the uploads in flight wait here. Rows of other kinds are not even parsed.
 */
export async function* indexedVolumes(
  compressed: Buffer,
  stream: string,
  damaged: (what: string, n?: number) => NamedError,
): AsyncGenerator<IndexedVolume> {
  const frames = new Map<number, IndexFrame[]>();
  let next = 0;
  let from = 0;
  for await (const line of readable(lines(compressed), damaged)) {
    if (line.startsWith('{"t":"chunk"') || line.startsWith('{"t":"file"')) continue;
    const row = JSON.parse(line) as { t?: unknown; stream?: unknown };
    if (row.stream !== stream) continue;
    if (row.t === 'frame') {
      const frame = indexFrameSchema.parse(row);
      const known = frames.get(frame.n);
      if (known) known.push(frame);
      else frames.set(frame.n, [frame]);
    } else if (row.t === 'volume') {
      const volume = indexVolumeSchema.parse(row);
      const own = frames.get(volume.n) ?? [];
      frames.delete(volume.n);
      if (volume.n !== next)
        throw damaged(`the index goes on with volume ${volume.n} after ${next - 1}`, next);
      from = tiled(volume, own, from, damaged);
      next += 1;
      yield { volume, frames: own };
    }
  }
  if (frames.size > 0) throw damaged('the index has frames of a volume that it does not name', next);
}

/** Turns whatever is wrong with the index itself into damage of the stream. */
async function* readable(source: AsyncIterable<string>, damaged: (what: string) => NamedError) {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      let step: IteratorResult<string>;
      try {
        step = await iterator.next();
      } catch (error) {
        throw damaged(`the index cannot be read: ${(error as Error).message}`);
      }
      if (step.done) return;
      yield step.value;
    }
  } finally {
    await iterator.return?.();
  }
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
    at += frame.stored;
    from += frame.bytes;
  }
  if (at !== volume.bytes) throw damaged(`frames end at ${at} of ${volume.bytes} bytes`, volume.n);
  return from;
}
