import type { Readable } from 'node:stream';
import { zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { SegmentHeader, SegmentIndex } from '../../../contract/formats/segment.ts';
import { brokenLink } from '../../../contract/formats/segment-chain.ts';
import {
  readSegmentHead,
  readSegmentIndex,
  type SegmentParts,
} from '../../../contract/formats/segment-codec.ts';
import { archiveEndOf } from '../../../contract/records/agent.ts';
import type { SiteRef } from '../../../contract/records/backup.ts';
import type { SegmentRef } from '../../../contract/records/log-order.ts';
import type { Objects } from '../../clients/objects.ts';
import type { Stretch } from './resolve-point.ts';

/** Where the archive of one timeline ends, by the record. */
export type ArchiveHead = {
  site: SiteRef;
  set: string;
  timeline: string;
  newest: SegmentRef;
  /** Everything that was in the log at this instant is stored. */
  durableAt: string | null;
};

/** A header is about 1 KiB, an index a hundredth of its log: more than this is no segment of ours. */
const mostRead = 64 * 1024 * 1024;

/** Reads from the beginning of a stored object until `found` answers. */
async function readStart<T>(
  objects: Pick<Objects, 'stream'>,
  key: string,
  found: (bytes: Buffer) => T | undefined,
): Promise<T> {
  const stream: Readable | undefined = await objects.stream(key);
  if (stream === undefined) throw new NamedError('Log.Damaged', `${key} is not stored`, { key });
  let bytes = Buffer.alloc(0);
  try {
    for await (const chunk of stream) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      const answer = found(bytes);
      if (answer !== undefined) return answer;
      if (bytes.length > mostRead) break;
    }
  } finally {
    stream.destroy();
  }
  throw new NamedError('Log.Damaged', `${key} ends before its header and index do`, { key });
}

const partsIn = (bytes: Uint8Array): SegmentParts | undefined => readSegmentHead(bytes, zstdDecompressSync);

export const readHeader = async (objects: Pick<Objects, 'stream'>, key: string): Promise<SegmentHeader> =>
  (await readStart(objects, key, partsIn)).header;

export const readIndex = (objects: Pick<Objects, 'stream'>, key: string): Promise<SegmentIndex> =>
  readStart(objects, key, (bytes) => {
    const parts = partsIn(bytes);
    if (parts === undefined || bytes.length < parts.index.to) return undefined;
    return readSegmentIndex(bytes.subarray(parts.index.from, parts.index.to), zstdDecompressSync);
  });

/**
 * Walks back from the end of an archive, segment by segment, until `enough` says so, the timeline begins, or a segment
 * does not continue the one before it; what lies before such a gap is not part of the stretch.
 */
export async function walkArchive(
  head: ArchiveHead,
  objects: Pick<Objects, 'stream'>,
  enough: (header: SegmentHeader) => boolean,
): Promise<Stretch & { broken: string | undefined }> {
  const segments: Stretch['segments'][number][] = [];
  let broken: string | undefined;
  for (let ref: SegmentRef | null = head.newest; ref !== null; ) {
    const { key, crc }: SegmentRef = ref;
    const next = segments.at(-1);
    const header = await readHeader(objects, key).catch((error: Error) => {
      if (next === undefined || error.name !== 'Log.Damaged') throw error;
      broken = error.message;
    });
    if (header === undefined) break;
    broken = next && brokenLink(archiveEndOf(header, key, crc), next.header);
    if (broken !== undefined) break;
    segments.push({ key, crc, header });
    // No file is read from within: the walk ends only where one begins.
    if ((header.log.from === 0 || header.log.head !== undefined) && enough(header)) break;
    ref = header.previous;
  }
  return { timeline: head.timeline, segments: segments.reverse(), durableAt: head.durableAt, broken };
}
