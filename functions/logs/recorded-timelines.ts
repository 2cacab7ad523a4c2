import type { SiteRef } from '../../contract/records/backup.ts';
import type { ArchiveRecord, Archives } from '../catalog/archive.ts';
import { headsOf } from '../restore/point/archive-heads.ts';
import type { RecordedTimeline } from './windows.ts';

/** The timelines of a set by the catalog alone, the newest first; those with nothing recorded left out. */
export async function recordedTimelines(
  archives: Pick<Archives, 'allRanges'>,
  record: ArchiveRecord,
  site: SiteRef,
): Promise<RecordedTimeline[]> {
  const ranges = await archives.allRanges(record);
  return headsOf(record, ranges, site).flatMap((head): RecordedTimeline[] => {
    const days = ranges
      .filter(({ timeline }) => timeline === head.timeline)
      .toSorted((a, b) => (a.day < b.day ? -1 : 1));
    const current = head.timeline === record.timeline;
    const first = (current ? record.first : null) ?? days[0]?.first;
    const newest = (current ? record.newest : null) ?? days.at(-1)?.last;
    if (!first || !newest) return [];
    const broke = current && record.broke ? `${record.broke.kind}: ${record.broke.reason}` : null;
    return [{ head, first: { start: first.start, seen: first.seen }, newest, broke }];
  });
}
