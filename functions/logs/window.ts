import { gtidContains } from '../../contract/formats/segment-chain.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { ArchiveEnd } from '../../contract/records/agent.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { ArchiveRecord } from '../catalog/archive.ts';

/** From when to when a set can be brought back, and by which backup its earliest time is reached. */
export type LogWindow = { from: string; to: string; backupId: string; gtid: string };

/**
 * Without GTIDs a position is a place in a file of one server: another one's files bear the same names (M03).
 */
function liesInFiles(
  { first, newest }: { first: { start: MysqlPosition }; newest: ArchiveEnd },
  { position, origin }: Pick<BackupRecord, 'position' | 'origin'>,
): boolean {
  if (origin?.uuid !== newest.serverUuid) return false;
  const [from, at, to] = [first.start, position, newest.end].map((place) => placeInLog(place ?? undefined));
  return from !== undefined && at !== undefined && to !== undefined && from <= at && at <= to;
}

/** A number of file and offset that grows along the log of one server; undefined where the position has no file. */
const placeInLog = (position: Pick<MysqlPosition, 'file' | 'offset'> | undefined): bigint | undefined => {
  const count = /\.(\d+)$/.exec(position?.file ?? '')?.[1];
  return count === undefined || position?.offset === undefined
    ? undefined
    : (BigInt(count) << 64n) + BigInt(position.offset);
};

/** Whether a backup's position lies within what is archived in a timeline (M01): not before its beginning, not behind its end. */
export function isAnchored(
  archive: Pick<ArchiveRecord, 'first' | 'newest'>,
  backup: Pick<BackupRecord, 'position' | 'origin'>,
): boolean {
  const { first, newest } = archive;
  const { position } = backup;
  if (!first || !newest || !position) return false;
  if (position.flavour !== newest.end.flavour) return false;
  if (newest.anonymous) return liesInFiles({ first, newest }, backup);
  if (position.gtid === '') return false;
  return (
    gtidContains(position.flavour, position.gtid, first.start.gtid) &&
    gtidContains(position.flavour, newest.end.gtid, position.gtid)
  );
}

/**
 * The window of one set: it begins with the oldest backup that counts and whose position lies in the timeline, and ends
 * with the newest recorded segment. Undefined: no backup is joined to the archive.
 */
export function windowOf(archive: ArchiveRecord, backups: readonly BackupRecord[]): LogWindow | undefined {
  const { newest, broke, openedAt } = archive;
  if (newest === null) return undefined;
  // Behind a dead branch positions of before prove nothing, whatever their GTIDs.
  const since = broke?.kind === 'dead-branch' ? openedAt : '';
  const bases = backups
    .filter(({ state, startedAt }) => (state === 'verified' || state === 'proven') && startedAt >= since)
    .filter((backup) => isAnchored(archive, backup))
    .toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  const base = bases[0];
  // A backup's data stand at its end: what was committed while it ran is in it.
  return (
    base && {
      from: base.committedAt ?? base.startedAt,
      to: newest.seen,
      backupId: base.backupId,
      gtid: newest.end.gtid,
    }
  );
}
