import { NamedError } from '../../contract/errors/named-error.ts';
import type { LogRange } from '../../contract/formats/log-receipt.ts';
import type { Archives, SegmentRecord } from '../catalog/archive.ts';
import { limited } from '../clients/limited.ts';
import type { SegmentStore } from './read-ahead.ts';
import { segmentRecord } from './record.ts';
import { walkBack } from './walk.ts';

/**
 * The segments of one day in their order, as recorded. A catalog that was rebuilt has the day's range and not its
 * segments: they are found again by a walk from its last one back to its first, and recorded. Throws `Log.Gap` where
 * the walk does not reach it.
 */
export async function segmentsOfDay(
  deps: { archives: Pick<Archives, 'segments' | 'putSegment'>; objects: SegmentStore },
  range: LogRange,
): Promise<SegmentRecord[]> {
  const recorded = await deps.archives.segments(range, range.day);
  if (recorded.length >= range.segments) return recorded;
  const walked = await walkBack(deps.objects, {
    archive: range,
    from: range.last,
    until: null,
    stopAt: range.first.key,
    most: range.segments,
  });
  if (walked.outcome !== 'whole') {
    const why = walked.outcome === 'broken' ? walked.reason : `more than ${range.segments} segments`;
    const message = `${range.day} of ${range.clusterId} cannot be found again: ${why}`;
    throw new NamedError('Log.Gap', message, { timeline: range.timeline, day: range.day });
  }
  const records = walked.segments.map(segmentRecord);
  await limited(records, 10, deps.archives.putSegment);
  return records;
}
