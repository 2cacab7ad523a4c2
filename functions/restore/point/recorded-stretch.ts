import { Buffer } from 'node:buffer';
import { zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { SegmentIndex } from '../../../contract/formats/segment.ts';
import { readSegmentHead, readSegmentIndex } from '../../../contract/formats/segment-codec.ts';
import type { Archives, SegmentRecord } from '../../catalog/archive.ts';
import type { Objects } from '../../clients/objects.ts';
import { segmentsOfDay } from '../../logs/segments-of-day.ts';
import type { ArchiveHead } from './archive-heads.ts';
import type { Tail } from './reported-tail.ts';
import type { ArchivedSegment, Stretch } from './resolve-point.ts';

/** What is recorded of a segment, as a point is looked for in it. `before`: the one before it, where there is one. */
export function archivedSegment(record: SegmentRecord, before: SegmentRecord | undefined): ArchivedSegment {
  const { key, crc, log, start } = record;
  const goesOn = before?.serverUuid === record.serverUuid && before.log.file === log.file;
  return {
    key,
    crc,
    set: record.set,
    serverUuid: record.serverUuid,
    serverVersion: record.serverVersion,
    flavour: start.flavour,
    log: { file: log.file, from: log.from, to: log.to, begins: !goesOn },
    start,
    end: record.end,
    openAfter: record.openAfter,
    commits: record.commits,
    seen: record.seen,
    transactions: record.transactions,
    ddl: record.ddl,
  };
}

/**
 * The end of an archive as far back as is needed: `enough` is asked of each segment with which a file begins, from the
 * newest on. Whole days are read from the record; what a rebuild has lost of it is found again in the store. `tail`:
 * what is stored behind the record.
 */
export async function recordedStretch(
  head: ArchiveHead,
  archives: Pick<Archives, 'ranges' | 'segments'>,
  objects: Pick<Objects, 'head' | 'first'>,
  enough: (segment: ArchivedSegment) => boolean,
  tail: Tail = { segments: [], durableAt: head.durableAt },
): Promise<Stretch> {
  const ranges = (await archives.ranges(head)).toReversed();
  const deps = { archives: { segments: archives.segments, putSegment: async () => {} }, objects };
  let records: SegmentRecord[] = tail.segments;
  const behind = records[0]?.seq ?? Number.POSITIVE_INFINITY;
  let judged = 0;
  let from = 0;
  const last = ranges.length - 1;
  search: for (const [n, range] of ranges.entries()) {
    // Reconcile may have recorded the tail meanwhile.
    const day = (await segmentsOfDay(deps, range)).filter(({ seq }) => seq < behind);
    records = [...day, ...records];
    // Whether a day's first segment begins a file is known with the day before it.
    const known = n === last ? 0 : 1;
    for (; judged < records.length - known; judged++) {
      const at = records.length - 1 - judged;
      const segment = archivedSegment(records[at]!, records[at - 1]);
      if (enough(segment) && segment.log.begins) {
        from = at;
        break search;
      }
    }
  }
  const segments = records.map((record, i) => archivedSegment(record, records[i - 1])).slice(from);
  return { timeline: head.timeline, segments, durableAt: tail.durableAt };
}

/** An index is a hundredth of its log: what is read first holds it nearly always. */
const firstBytes = 1024 * 1024;
const mostBytes = 96 * 1024 * 1024;

/** The index of a stored segment. Throws `Log.Damaged`. */
export async function readIndex(objects: Pick<Objects, 'first'>, key: string): Promise<SegmentIndex> {
  for (const most of [firstBytes, mostBytes]) {
    const bytes = Buffer.from((await objects.first(key, most)) ?? []);
    const parts = readSegmentHead(bytes, zstdDecompressSync);
    if (parts !== undefined && bytes.length >= parts.index.to) {
      return readSegmentIndex(bytes.subarray(parts.index.from, parts.index.to), zstdDecompressSync);
    }
    if (bytes.length < most) break;
  }
  throw new NamedError('Log.Damaged', `${key} is not stored, or ends before its index does`, { key });
}
