/** Who wrote the stream. The byte 'S' and the flag 0x02 mean different things in the two, so it must be told. */
export type XbstreamFlavour = 'mariadb' | 'percona';

/** One run of a sparse chunk's map: leave `skip` bytes as a hole, then write `write` bytes of the payload. */
export type SparseRun = { skip: number; write: number };

/**
 * Payload of one file. Offsets and lengths in bytes: `fileOffset` in the file, `streamOffset` of the payload and
 * `headerOffset` of the chunk in the stream. `crc32` is the chunk's own: of the payload, or of map and payload
 * where there is a `sparse` map. `rewrite`: the chunk replaces a file of this name (MariaDB).
 */
export type ChunkEvent = {
  kind: 'chunk';
  path: string;
  fileOffset: number;
  length: number;
  crc32: number;
  streamOffset: number;
  headerOffset: number;
  rewrite: boolean;
  sparse?: readonly SparseRun[];
};

/** What a stream says, in its order. A `chunk` is told once its checksum is proven, not before. */
export type XbstreamEvent =
  | ChunkEvent
  | { kind: 'end'; path: string; headerOffset: number }
  | { kind: 'seek'; path: string; fileOffset: number; headerOffset: number }
  | { kind: 'rename'; path: string; newPath: string; headerOffset: number }
  | { kind: 'remove'; path: string; headerOffset: number };

export type XbstreamFault =
  | 'magic'
  | 'type'
  | 'flags'
  | 'path-length'
  | 'path'
  | 'number'
  | 'offset'
  | 'checksum'
  | 'sparse-map'
  | 'reopened'
  | 'not-open'
  | 'still-open';

/** Why a stream was refused, as a value: `streamOffset` is where the chunk at fault begins. */
export type XbstreamFailure = { fault: XbstreamFault; streamOffset: number; path?: string; detail: string };

/**
 * A file of the stream: `bytes` is its size once written out (holes included). Its content is in the chunks that came
 * under the name `source` (the first one, where it was renamed) with headers in [`from`, `to`) of the stream; `to` is
 * where its end stands, 0 until that has come.
 */
export type StreamedFile = {
  bytes: number;
  ended: boolean;
  rewrite: boolean;
  source: string;
  from: number;
  to: number;
  /** Of a tablespace or of its changed pages' note: InnoDB's number of it, where the file says it. */
  space?: number;
};
