import type { LogRange } from '../../contract/formats/log-receipt.ts';
import type { SiteRef } from '../../contract/records/backup.ts';
import type { Archives } from '../catalog/archive.ts';
import { archiveHeads } from '../restore/point/archive-heads.ts';
import type { RecordedTimeline } from './windows.ts';

/** The timelines of every set of a cluster by the catalog alone, the newest first; those with nothing recorded left out. */
export async function recordedTimelines(
  archives: Pick<Archives, 'list' | 'allRanges'>,
  clusterId: string,
  site: SiteRef,
): Promise<Map<string, RecordedTimeline[]>> {
  const bySet = new Map<string, RecordedTimeline[]>();
  const records = await archives.list(clusterId);
  const heads = await archiveHeads(archives, clusterId, site);
  for (const record of records) {
    const days = new Map<string, LogRange[]>();
    for (const range of await archives.allRanges(record)) {
      days.set(range.timeline, [...(days.get(range.timeline) ?? []), range]);
    }
    const own = heads.filter(({ set }) => set === record.set);
    const timelines = own.flatMap((head): RecordedTimeline[] => {
      const ranges = (days.get(head.timeline) ?? []).toSorted((a, b) => (a.day < b.day ? -1 : 1));
      const current = head.timeline === record.timeline;
      const first = (current ? record.first : null) ?? ranges[0]?.first;
      const newest = (current ? record.newest : null) ?? ranges.at(-1)?.last;
      if (!first || !newest) return [];
      const broke = current && record.broke ? `${record.broke.kind}: ${record.broke.reason}` : null;
      return [{ head, first: { start: first.start, seen: first.seen }, newest, broke }];
    });
    bySet.set(record.set, timelines);
  }
  return bySet;
}
