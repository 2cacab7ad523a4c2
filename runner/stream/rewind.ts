import type { ZstdCompress, ZstdDecompress } from 'node:zlib';

/**
 * Lets the next output begin at the start of the stream's one output buffer again. A field that node:zlib does not
 * document: without it (and in a Node that has it no more) frames come right as well, in two pieces and more slowly.
 */
export function rewind(stream: ZstdCompress | ZstdDecompress): void {
  (stream as unknown as { _outOffset: number })._outOffset = 0;
}
