import { constants, createZstdCompress } from 'node:zlib';
import type { IndexHead, IndexRow } from '../../contract/formats/index-file.ts';

export type IndexWriter = {
  row: (row: IndexRow) => void;
  /** The whole index, compressed. Nothing can be added after it. */
  finish: () => Promise<Buffer>;
};

/** Lines are handed to the compressor in pieces of this size: far fewer jobs on the pool than rows. */
const pieceLength = 128 * 1024;

/**
 * Encodes index rows as they come, so that only compressed bytes stay in memory: 355,000 rows of a 1 TB backup are
 * 35 MB of text and about 6 MB here. One single zstd frame, because Node's own one-call decompressor stops
 * silently after the first frame.
 */
export function makeIndexWriter(head: IndexHead): IndexWriter {
  const compressor = createZstdCompress({
    params: {
      [constants.ZSTD_c_compressionLevel]: 3,
      [constants.ZSTD_c_checksumFlag]: 1,
      // Rows are like those just before them: a window of 256 KiB serves as well as one of 2 MiB.
      [constants.ZSTD_c_windowLog]: 18,
    },
  });
  const compressed: Buffer[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    compressor.on('data', (bytes: Buffer) => compressed.push(bytes));
    compressor.once('end', resolve);
    compressor.once('error', reject);
  });
  ended.catch(() => undefined);
  let lines = `${JSON.stringify(head)}\n`;

  return {
    row: (row) => {
      lines += `${JSON.stringify(row)}\n`;
      if (lines.length < pieceLength) return;
      compressor.write(lines);
      lines = '';
    },
    finish: async () => {
      compressor.end(lines);
      await ended;
      return Buffer.concat(compressed);
    },
  };
}
