import { constants, createZstdCompress } from 'node:zlib';
import { release } from './release.ts';

/** Compresses one input after the other; each becomes one whole zstd frame, in pieces. */
export type Compressor = (input: Buffer) => Promise<Buffer[]>;

/** Pieces of output: small against a frame, so that little is left to the garbage collector. */
const pieceBytes = 256 * 1024;

/**
 * Gives the memory of copied pieces back. A piece that reaches the end of its buffer is the last one in it, and those
 * before it have been copied: they came earlier.
 */
export function releasePiece(piece: Buffer): void {
  const memory = piece.buffer;
  if (memory.byteLength === pieceBytes && piece.byteOffset + piece.length === pieceBytes) release(piece);
}

/**
 * A compressor that keeps its context from frame to frame and runs on the libuv pool. (The one-call function of
 * node:zlib makes a context and an output buffer of the input's size each time, and both wait for the garbage
 * collector, which does not see how large they are: 60 MiB more at its peak and a tenth more processor time.)
 * Flushing every write with ZSTD_e_end is what ends the frame (zstd.h, ZSTD_compressStream2).
 */
export function makeCompressor(level: number): Compressor {
  const stream = createZstdCompress({
    flush: constants.ZSTD_e_end,
    finishFlush: constants.ZSTD_e_end,
    chunkSize: pieceBytes,
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
  });
  let pieces: Buffer[] = [];
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  // The callback of the write tells the error; without a listener it would end the process as well.
  stream.on('error', () => undefined);
  return (input) =>
    new Promise((resolve, reject) => {
      pieces = [];
      stream.write(input, (error) => {
        if (error) reject(error);
        else if (stream.readableLength > 0) reject(new Error('a piece of a compressed frame is missing'));
        else resolve(pieces);
      });
    });
}
