import { zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { SegmentHeader } from '../../contract/formats/segment.ts';
import { brokenLink } from '../../contract/formats/segment-chain.ts';
import { readSegmentHead, segmentHeadBytes } from '../../contract/formats/segment-codec.ts';
import { segmentPlaceOf, type TimelinePlace } from '../../contract/layout.ts';
import { type ArchiveEnd, archiveEndOf } from '../../contract/records/agent.ts';
import type { ArchiveRecord } from '../catalog/archive.ts';
import { type SegmentStore, storeForWalk } from './read-ahead.ts';

export type FoundSegment = { header: SegmentHeader; end: ArchiveEnd; bytes: number };

/**
 * Oldest first; `broken`: nothing of it counts; `longer`: so far it is right, and goes on at `next`, which nobody may
 * count yet.
 */
export type Walked =
  | { outcome: 'whole'; segments: FoundSegment[] }
  | { outcome: 'broken'; reason: string }
  | { outcome: 'longer'; next: { key: string; crc: string } };

/** A quarter of a day at the shortest interval, a week at one segment a minute: read in about ten seconds. */
const mostSegments = 10_000;

/** A header with the sets of many servers may be longer than what is read first. */
const longestHeader = 4 * 1024 * 1024;

async function readHead(store: SegmentStore, key: string) {
  const head = await store.first(key, segmentHeadBytes);
  if (head === undefined) return undefined;
  const parts = readSegmentHead(head, zstdDecompressSync);
  if (parts !== undefined || head.length < segmentHeadBytes) return parts;
  const more = await store.first(key, longestHeader);
  return more && readSegmentHead(more, zstdDecompressSync);
}

type Archiver = Pick<ArchiveRecord, 'memberId' | 'hostId' | 'epoch'>;

/** Why a header is not of this archive and key; undefined where it is. */
function misplaced(
  header: SegmentHeader,
  key: string,
  archive: TimelinePlace,
  by: Archiver | undefined,
): string | undefined {
  const place = segmentPlaceOf(key);
  const same =
    place?.clusterId === archive.clusterId &&
    place.set === archive.set &&
    place.timeline === archive.timeline;
  if (!same) return 'its key is of another archive';
  const { clusterId, set, timeline, seq, memberId, hostId, epoch } = header;
  if (
    clusterId !== place.clusterId ||
    set !== place.set ||
    timeline !== place.timeline ||
    seq !== place.seq
  ) {
    return 'its header says that it belongs elsewhere';
  }
  // What an earlier archiver wrote is vouched for by whoever went on behind it.
  const ordered =
    by === undefined ||
    epoch < by.epoch ||
    (epoch === by.epoch && memberId === by.memberId && hostId === by.hostId);
  return ordered
    ? undefined
    : `it is of ${memberId} on ${hostId}, epoch ${epoch}, which was not the one to archive`;
}

export type Walk = {
  archive: TimelinePlace;
  /** Where to begin, and the segment behind which to end, which is not read; null: the beginning of the timeline. */
  from: Pick<ArchiveEnd, 'key' | 'crc'>;
  until: ArchiveEnd | null;
  /** The first segment that is of interest, where the one before it is none. */
  stopAt?: string;
  /** Who must have written it; left out where the way is control's own. */
  by?: Archiver;
  /** So many segments are read at most; what is longer goes on in another walk. */
  most?: number;
};

/**
 * Walks back from the segment that the archiver calls its newest to what is recorded. Each segment must be stored with
 * the CRC32 by which the one after it (or the archiver's row) names it, and belong to this archive and its archiver:
 * what no such walk reaches counts for nothing.
 */
export async function walkBack(
  objects: SegmentStore,
  { archive, from, until, stopAt, by, most = mostSegments }: Walk,
): Promise<Walked> {
  const store = await storeForWalk(objects, archive, from.key, until?.key ?? stopAt);
  const found: FoundSegment[] = [];
  for (let next: { key: string; crc: string } | null = from; next?.key !== until?.key; ) {
    if (next === null) return broken(from.key, 'no walk from it reaches what is recorded');
    if (found.length >= most) {
      const why = linksBroken(found.toReversed(), null, found.at(-1)!.end.key);
      return why ?? { outcome: 'longer', next };
    }
    const { key, crc }: { key: string; crc: string } = next;
    const stored = await store.head(key);
    if (stored === undefined) return broken(key, 'it is not stored');
    if (stored.crc32 !== crc)
      return broken(key, `it is stored with the CRC32 ${stored.crc32}, named with ${crc}`);
    let parts: Awaited<ReturnType<typeof readHead>>;
    try {
      parts = await readHead(store, key);
    } catch (thrown) {
      if (!(thrown instanceof NamedError) || thrown.name === 'Store.Denied') throw thrown;
      return broken(key, thrown.message);
    }
    if (parts === undefined) return broken(key, 'its header cannot be read');
    if (parts.bytes !== stored.bytes)
      return broken(key, `it has ${stored.bytes} bytes, its header says ${parts.bytes}`);
    const elsewhere = misplaced(parts.header, key, archive, by);
    if (elsewhere !== undefined) return broken(key, elsewhere);
    found.push({ header: parts.header, end: archiveEndOf(parts.header, key, crc), bytes: stored.bytes });
    if (key === stopAt) break;
    next = parts.header.previous;
  }
  found.reverse();
  return linksBroken(found, until, stopAt) ?? { outcome: 'whole', segments: found };
}

const broken = (key: string, reason: string): Walked => ({ outcome: 'broken', reason: `${key}: ${reason}` });

/** Whether each segment goes on where the one before it ends; undefined where all do. */
function linksBroken(
  found: readonly FoundSegment[],
  until: ArchiveEnd | null,
  stopAt: string | undefined,
): Walked | undefined {
  let before = until;
  for (const { header, end } of found) {
    if (before === null && end.key !== stopAt) {
      if (header.seq !== 0 || header.openBefore !== null)
        return broken(end.key, 'a timeline cannot begin with it');
    } else if (before !== null) {
      const why = brokenLink(before, header);
      if (why !== undefined) return broken(end.key, why);
    }
    before = end;
  }
  return undefined;
}
