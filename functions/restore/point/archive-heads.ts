import type { SiteRef } from '../../../contract/records/backup.ts';
import type { ArchiveRecord, Archives } from '../../catalog/archive.ts';

/** One history of a set that is archived, or was. */
export type ArchiveHead = {
  clusterId: string;
  set: string;
  timeline: string;
  site: SiteRef;
  /** Everything that was in the log at this instant is recorded; null where only its segments say so. */
  durableAt: string | null;
  /** Backups that were begun earlier, or later, are of another history, whatever their GTIDs (M16). */
  notBefore: string | null;
  notAfter: string | null;
  /** Of the archive that goes on: its record, as of the last pass of Reconcile. */
  record?: ArchiveRecord;
  /** Of a dead branch: up to where the history that went on shares it; null where that is not known. */
  dead?: { shared: string | null };
};

/**
 * The histories in which a point may lie, the newest first: that of the archive as it is recorded, then those that a gap
 * or a dead branch has ended.
 */
export async function archiveHeads(
  archives: Pick<Archives, 'list' | 'allRanges'>,
  clusterId: string,
  site: SiteRef,
): Promise<ArchiveHead[]> {
  const heads: ArchiveHead[] = [];
  for (const record of await archives.list(clusterId)) {
    heads.push(...headsOf(record, await archives.allRanges(record), site));
  }
  return heads;
}

/** The same of one set, whose recorded days are in hand. */
export function headsOf(
  record: ArchiveRecord,
  ranges: readonly { timeline: string }[],
  site: SiteRef,
): ArchiveHead[] {
  const { clusterId, set, openedAt } = record;
  // Names of timelines begin with their time, and ranges come in their order.
  const others = [...new Set(ranges.map(({ timeline }) => timeline))]
    .reverse()
    .filter((timeline) => timeline !== record.timeline);
  const ended = others.map((timeline): ArchiveHead => {
    const died = record.broke?.kind === 'dead-branch' && record.broke.timeline === timeline;
    return {
      clusterId,
      set,
      site,
      timeline,
      durableAt: null,
      notBefore: null,
      notAfter: openedAt,
      ...(died ? { dead: { shared: record.first?.start.gtid ?? null } } : {}),
    };
  });
  return [headOf(record, site), ...ended];
}

function headOf(record: ArchiveRecord, site: SiteRef): ArchiveHead {
  const { clusterId, set, timeline, durableAt, broke, openedAt } = record;
  const notBefore = broke?.kind === 'dead-branch' ? openedAt : null;
  return { clusterId, set, timeline, site, durableAt, notBefore, notAfter: null, record };
}

/** Whether a backup is of this history, as far as the time tells. */
export const isOfHistory = (
  { startedAt }: { startedAt: string },
  { notBefore, notAfter }: ArchiveHead,
): boolean => (notBefore === null || startedAt >= notBefore) && (notAfter === null || startedAt <= notAfter);
