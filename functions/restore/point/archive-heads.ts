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
};

/**
 * The histories in which a point may lie, the newest first: that of the archive as it is recorded, the one that a gap or
 * a dead branch ended, and any other by its name.
 */
export async function archiveHeads(
  archives: Pick<Archives, 'list' | 'ranges'>,
  clusterId: string,
  site: SiteRef,
  asked: string | undefined,
): Promise<ArchiveHead[]> {
  const heads: ArchiveHead[] = [];
  for (const record of await archives.list(clusterId)) {
    const { set } = record;
    const of = { clusterId, set, site };
    heads.push(headOf(record, site));
    for (const timeline of new Set([record.broke?.timeline, asked])) {
      if (timeline === undefined || timeline === record.timeline) continue;
      if ((await archives.ranges({ clusterId, set, timeline })).length === 0) continue;
      heads.push({ ...of, timeline, durableAt: null, notBefore: null, notAfter: record.openedAt });
    }
  }
  return heads;
}

function headOf(record: ArchiveRecord, site: SiteRef): ArchiveHead {
  const { clusterId, set, timeline, durableAt, broke, openedAt } = record;
  const notBefore = broke?.kind === 'dead-branch' ? openedAt : null;
  return { clusterId, set, timeline, site, durableAt, notBefore, notAfter: null };
}

/** Whether a backup is of this history, as far as the time tells. */
export const isOfHistory = (
  { startedAt }: { startedAt: string },
  { notBefore, notAfter }: ArchiveHead,
): boolean => (notBefore === null || startedAt >= notBefore) && (notAfter === null || startedAt <= notAfter);
