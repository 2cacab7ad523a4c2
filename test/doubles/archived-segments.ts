import type { SegmentHeader } from '../../contract/formats/segment.ts';
import { archiveEndOf } from '../../contract/records/agent.ts';
import type { SegmentRecord } from '../../functions/catalog/archive.ts';
import { segmentRecord } from '../../functions/logs/record.ts';
import { archivedSegment } from '../../functions/restore/point/recorded-stretch.ts';
import type { Stretch } from '../../functions/restore/point/resolve-point.ts';

type Stored = { key: string; crc: string; body: Buffer; header: SegmentHeader };

/** The records that control makes of stored segments. */
export const recordsOf = (stored: readonly Stored[]): SegmentRecord[] =>
  stored.map(({ key, crc, body, header }) =>
    segmentRecord({ header, end: archiveEndOf(header, key, crc), bytes: body.length }),
  );

/** The stretch of stored segments, as it is recorded. */
export function stretchOf(stored: readonly Stored[], timeline = 't-1'): Stretch {
  const records = recordsOf(stored);
  const segments = records.map((record, i) => archivedSegment(record, records[i - 1]));
  return { timeline, segments, durableAt: null };
}
