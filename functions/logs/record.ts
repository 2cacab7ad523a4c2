import { encodeLogReceipt } from '../../contract/formats/codec.ts';
import type { LogRange, LogReceipt } from '../../contract/formats/log-receipt.ts';
import { logReceiptKey, segmentPlaceOf } from '../../contract/layout.ts';
import type { ArchiveRecord, Archives, SegmentRecord } from '../catalog/archive.ts';
import { limited } from '../clients/limited.ts';
import type { Objects } from '../clients/objects.ts';
import type { FoundSegment } from './walk.ts';

const dayOf = ({ end }: FoundSegment) => segmentPlaceOf(end.key)!.day;

/** The record of a segment that a walk has reached. */
export function segmentRecord(found: FoundSegment): SegmentRecord {
  const { header, end, bytes } = found;
  const { clusterId, set, timeline, seq, log } = header;
  return {
    v: 1,
    clusterId,
    set,
    timeline,
    day: dayOf(found),
    seq,
    key: end.key,
    crc: end.crc,
    bytes,
    memberId: header.memberId,
    serverUuid: header.server.uuid,
    serverVersion: header.server.version,
    log: { file: log.file, from: log.from, to: log.to, last: log.last },
    start: header.start,
    end: header.end,
    openBefore: header.openBefore,
    openAfter: header.openAfter,
    commits: header.commits,
    seen: header.seen,
    transactions: header.transactions,
    ddl: header.ddl,
  };
}

/** A day's range with one more segment; one that it has already changes nothing. */
export function withSegment(range: LogRange | undefined, found: FoundSegment): LogRange {
  const { header, end, bytes } = found;
  const { clusterId, set, timeline, seq, commits, start, seen, transactions, ddl } = header;
  if (range === undefined) {
    const first = { key: end.key, seq, start, seen: seen.first };
    const of = { v: 1 as const, clusterId, set, timeline, day: dayOf(found) };
    return { ...of, segments: 1, bytes, transactions, ddl, first, last: end, commits };
  }
  if (seq <= range.last.seq) return range;
  return {
    ...range,
    segments: range.segments + 1,
    bytes: range.bytes + bytes,
    transactions: range.transactions + transactions,
    ddl: range.ddl + ddl,
    last: end,
    commits:
      range.commits === null || commits === null
        ? (range.commits ?? commits)
        : {
            first: Math.min(range.commits.first, commits.first),
            last: Math.max(range.commits.last, commits.last),
          },
  };
}

/** Writes a receipt about an archive; one that is there already is the same cause, told twice. */
export async function writeLogReceipt(objects: Pick<Objects, 'putOnce'>, receipt: LogReceipt): Promise<void> {
  await objects.putOnce(logReceiptKey(receipt, receipt.at, receipt.fact), encodeLogReceipt(receipt));
}

type RecordDeps = {
  archives: Pick<Archives, 'putSegment' | 'putRange' | 'ranges'>;
  objects: Pick<Objects, 'putOnce'>;
};

/**
 * Records segments that a walk has reached: each of them, the ranges of their days, and a receipt for each day that is
 * complete since another one has begun. Twice is harmless; the archive's own record comes last, by the caller.
 */
export async function recordSegments(
  { archives, objects }: RecordDeps,
  record: ArchiveRecord,
  found: readonly FoundSegment[],
): Promise<void> {
  if (found.length === 0) return;
  await limited(found, 10, (segment) => archives.putSegment(segmentRecord(segment)));
  const ranges = new Map((await archives.ranges(record)).map((range) => [range.day, range]));
  const touched = new Set<string>();
  let open = record.newest === null ? undefined : segmentPlaceOf(record.newest.key)?.day;
  for (const segment of found) {
    const day = dayOf(segment);
    ranges.set(day, withSegment(ranges.get(day), segment));
    touched.add(day);
    const closed = open !== undefined && open !== day ? ranges.get(open) : undefined;
    if (closed !== undefined) {
      await writeLogReceipt(objects, {
        v: 1,
        fact: 'range',
        clusterId: closed.clusterId,
        set: closed.set,
        timeline: closed.timeline,
        at: closed.last.seen,
        by: 'reconcile',
        reason: `${closed.segments} segments of ${closed.day}`,
        range: closed,
      });
    }
    open = day;
  }
  for (const day of touched) await archives.putRange(ranges.get(day)!);
}
