import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { ArchiveEnd } from '../../contract/records/agent.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { type ArchiveHead, isOfHistory } from '../restore/point/archive-heads.ts';
import { isAnchored } from './window.ts';

/** One history of a set as it is recorded: where its archive begins and ends. */
export type RecordedTimeline = {
  head: ArchiveHead;
  first: { start: MysqlPosition; seen: string };
  newest: ArchiveEnd;
  /** Why the one before it ended, where that is known. */
  broke: string | null;
};

/** Up to which point and back to which a timeline can be restored, by backups that lead into it. */
export type RestoreWindow = {
  timeline: string;
  /** Instants: when the oldest of its backups was complete, and until when everything is archived. */
  from: string;
  to: string;
  backups: number;
  oldest: string;
  newest: string;
  end: MysqlPosition;
  /** False: the server keeps none, so that a point is a time, and only its own backups lead into the log. */
  gtids: boolean;
  /** MariaDB writes no commit times: before this instant, when the agent first looked, times are by the second at best. */
  roughBefore?: string;
  /** Of a dead branch: what lies behind this position must be asked for by the name of the timeline. */
  deadBehind?: string;
};

export type Hole = { from: string; to: string; why: string };

export type SetWindows = {
  windows: RestoreWindow[];
  holes: Hole[];
  barren: { timeline: string; why: string }[];
};

const later = (a: string, b: string) => (a < b ? b : a);

function windowIn(timeline: RecordedTimeline, backups: readonly BackupRecord[]): RestoreWindow | undefined {
  const { head, first, newest } = timeline;
  const bases = backups
    .filter((backup) => isOfHistory(backup, head) && backup.site.bucket === head.site.bucket)
    .filter((backup) => isAnchored({ first, newest }, backup))
    .toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  const [oldest, last] = [bases[0], bases.at(-1)];
  if (!oldest || !last) return undefined;
  const { file, to } = newest.log;
  // A backup's data stand at its end: what was committed while it ran is in it.
  const from = oldest.committedAt ?? oldest.startedAt;
  return {
    timeline: head.timeline,
    from,
    to: later(head.durableAt ?? '', newest.seen),
    backups: bases.length,
    oldest: oldest.backupId,
    newest: last.backupId,
    end: { ...newest.end, file, offset: newest.openAfter?.at ?? to },
    gtids: newest.anonymous !== true,
    ...(newest.end.flavour === 'mariadb' && from < first.seen ? { roughBefore: first.seen } : {}),
    ...(head.dead ? { deadBehind: head.dead.shared ?? '' } : {}),
  };
}

/**
 * The windows of one set, the newest first, what lies between them, and timelines into which no backup leads.
 * @param timelines newest first
 * @param backups those that can be restored and replayed on
 */
export function windowsOf(
  timelines: readonly RecordedTimeline[],
  backups: readonly BackupRecord[],
): SetWindows {
  const found = timelines.map((timeline) => ({ timeline, window: windowIn(timeline, backups) }));
  const windows = found.flatMap(({ window }) => (window ? [window] : []));
  const barren = found
    .filter(({ window }) => window === undefined)
    .map(({ timeline: { head, first, newest } }) => ({
      timeline: head.timeline,
      why: `archived from ${first.seen} to ${later(head.durableAt ?? '', newest.seen)}, and no backup that can be used leads into it`,
    }));
  const holes = found.flatMap(({ timeline, window }, i): Hole[] => {
    const before = found.slice(i + 1).find((of) => of.window)?.window;
    if (!window || !before || window.from <= before.to) return [];
    const why = timeline.broke ?? `${before.timeline} ended, and no backup leads into what follows it sooner`;
    return [{ from: before.to, to: window.from, why }];
  });
  return { windows, holes, barren };
}
