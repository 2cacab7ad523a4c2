import type { IndexChunk, IndexFile } from '../../../../contract/formats/index-file.ts';
import type { ChunkEvent } from './events.ts';
import type { XbstreamState } from './state.ts';

/** The index row of a chunk, for the stream of that name; offsets are those of the uncompressed stream. */
export function chunkRow(stream: string, chunk: ChunkEvent): IndexChunk {
  return {
    t: 'chunk',
    stream,
    path: chunk.path,
    off: chunk.fileOffset,
    bytes: chunk.length,
    from: chunk.streamOffset,
    crc: chunk.crc32.toString(16).padStart(8, '0'),
    ...(chunk.sparse === undefined ? {} : { sparse: chunk.sparse.map(({ skip, write }) => [skip, write]) }),
  };
}

/** The rows of the files as they are after the whole stream, sorted by path; for a stream found complete. */
export function fileRows(stream: string, state: XbstreamState): IndexFile[] {
  return [...state.files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, file]) => ({
      t: 'file',
      stream,
      path,
      bytes: file.bytes,
      chunks: { path: file.source, from: file.from, to: file.to },
      ...(file.space === undefined ? {} : { space: file.space }),
    }));
}
