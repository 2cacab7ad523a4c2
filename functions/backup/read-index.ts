import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { type IndexRow, type IndexVolume, indexRowSchema } from '../../contract/formats/index-file.ts';

/** What the index of one job says of each stream, summed. */
export type StreamInIndex = {
  volumes: IndexVolume[];
  frames: number;
  /** Bytes of stream that the frames stand for, and bytes stored. */
  bytes: number;
  storedBytes: number;
  /** Frames follow each other without a hole or an overlap. */
  contiguous: boolean;
};

export type IndexRead =
  | {
      outcome: 'read';
      /** Of the stored, compressed bytes. */
      bytes: number;
      sha256: string;
      clusterId: string;
      backupId: string;
      jobId: string;
      streams: Map<string, StreamInIndex>;
    }
  | { outcome: 'unreadable'; cause: string };

/** 50 TB and more in volumes of 256 MiB; what a list of more would take is not there. */
const volumesAtMost = 250_000;
/** Of text: 1 TB of stream has about 40 MB. A small file can unpack to any number of bytes (F71). */
const textAtMost = 4 * 1024 ** 3;

/** A row has a path of at most a few KiB; a longer line is not ours. */
const lineBytesAtMost = 1024 * 1024;

function take(streams: Map<string, StreamInIndex>, row: IndexRow): void {
  if (row.t !== 'volume' && row.t !== 'frame') return;
  const known = streams.get(row.stream);
  const stream = known ?? { volumes: [], frames: 0, bytes: 0, storedBytes: 0, contiguous: true };
  if (known === undefined) streams.set(row.stream, stream);
  if (row.t === 'volume') {
    stream.volumes.push(row);
    return;
  }
  if (row.from !== stream.bytes) stream.contiguous = false;
  stream.frames += 1;
  stream.bytes += row.bytes;
  stream.storedBytes += row.stored;
}

/** Reads the kinds of rows that are summed and skips the others. Throws what JSON and the schema throw. */
function parse(line: string): IndexRow | undefined {
  const value: unknown = JSON.parse(line);
  const kind = (value as { t?: unknown } | null)?.t;
  const known = typeof kind === 'string' && ['head', 'volume', 'frame'].includes(kind);
  return known ? indexRowSchema.parse(value) : undefined;
}

/**
 * Reads an index as it streams in (zstd, JSON lines, head first): memory stays with the list of volumes, whatever
 * the number of chunks. A damaged or foreign file is a value; errors of the store are thrown.
 */
export async function readIndex(
  stored: Readable,
  limits = { text: textAtMost, volumes: volumesAtMost },
): Promise<IndexRead> {
  const hash = createHash('sha256');
  let bytes = 0;
  let storeError: unknown;
  const decompress = createZstdDecompress();
  stored.on('data', (piece: Buffer) => {
    hash.update(piece);
    bytes += piece.length;
  });
  stored.once('error', (thrown) => {
    storeError = thrown;
    decompress.destroy(thrown);
  });
  stored.pipe(decompress);
  const streams = new Map<string, StreamInIndex>();
  let head: Extract<IndexRow, { t: 'head' }> | undefined;
  let rest = '';
  let characters = 0;
  let volumes = 0;
  try {
    for await (const text of decompress.setEncoding('utf8') as AsyncIterable<string>) {
      characters += text.length;
      if (characters > limits.text)
        return { outcome: 'unreadable', cause: `it unpacks to more than ${limits.text} bytes` };
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > lineBytesAtMost)
        return { outcome: 'unreadable', cause: 'a line is longer than 1 MiB' };
      for (const line of lines) {
        const row = parse(line);
        if (row?.t === 'head') {
          if (head !== undefined) return { outcome: 'unreadable', cause: 'it has two heads' };
          head = row;
        } else if (head === undefined) {
          return { outcome: 'unreadable', cause: 'it does not begin with its head' };
        } else if (row !== undefined) {
          take(streams, row);
          if (row.t === 'volume') volumes += 1;
          if (volumes > limits.volumes)
            return { outcome: 'unreadable', cause: `it lists more than ${limits.volumes} volumes` };
        }
      }
    }
  } catch (thrown) {
    if (storeError !== undefined) throw storeError;
    return {
      outcome: 'unreadable',
      cause: thrown instanceof Error ? thrown.message.slice(0, 500) : String(thrown),
    };
  } finally {
    stored.destroy();
  }
  if (rest !== '') return { outcome: 'unreadable', cause: 'its last line is cut' };
  if (head === undefined) return { outcome: 'unreadable', cause: 'it is empty' };
  const { clusterId, backupId, jobId } = head;
  return { outcome: 'read', bytes, sha256: hash.digest('hex'), clusterId, backupId, jobId, streams };
}
