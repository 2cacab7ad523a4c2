import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import {
  type IndexChunk,
  type IndexFile,
  type IndexFrame,
  indexChunkSchema,
  indexFileSchema,
  indexFrameSchema,
} from '../../../contract/formats/index-file.ts';

/** Rows of one stream of a compressed index, read anew at each call: all of them would fill the memory. */
export function indexRows(compressed: Uint8Array, stream: string) {
  async function* rows<T extends { stream: string }>(kind: string, parse: (row: unknown) => T) {
    let rest = '';
    const text = Readable.from([compressed]).pipe(createZstdDecompress()).setEncoding('utf8');
    for await (const piece of text as AsyncIterable<string>) {
      const lines = (rest + piece).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (!line.startsWith(`{"t":"${kind}"`)) continue;
        const row = parse(JSON.parse(line));
        if (row.stream === stream) yield row;
      }
    }
  }
  return {
    files: (): AsyncIterable<IndexFile> => rows('file', (row) => indexFileSchema.parse(row)),
    chunks: (): AsyncIterable<IndexChunk> => rows('chunk', (row) => indexChunkSchema.parse(row)),
    frames: (): AsyncIterable<IndexFrame> => rows('frame', (row) => indexFrameSchema.parse(row)),
  };
}
