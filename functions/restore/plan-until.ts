import type { SegmentIndex } from '../../contract/formats/segment.ts';
import { gtidContains } from '../../contract/formats/segment-chain.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { BackupRecord, SiteRef } from '../../contract/records/backup.ts';
import type { LogOrder } from '../../contract/records/log-order.ts';
import { microseconds, type Until } from '../../contract/records/until.ts';
import type { Archives } from '../catalog/archive.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import { type Refused, refused } from '../log/lambda.ts';
import { type ArchiveHead, archiveHeads, isOfHistory } from './point/archive-heads.ts';
import { lookMicros, mayHoldPoint, type Sought } from './point/first-unwanted.ts';
import { logOrderOf, whyNotFrom, whyNotVersion } from './point/log-order.ts';
import { readIndex, recordedStretch } from './point/recorded-stretch.ts';
import { type ReportedDeps, reportedTail } from './point/reported-tail.ts';
import {
  type ArchivedSegment,
  type NoPoint,
  type Point,
  reachOf,
  resolvePoint,
  type Stretch,
  soughtOf,
} from './point/resolve-point.ts';

export type PlanUntilDeps = ReportedDeps & {
  archives: Pick<Archives, 'list' | 'allRanges' | 'ranges' | 'segments'>;
  objectsOf: ObjectsOf;
};

/** Why a backup cannot be restored whatever the point is, since its chain has a hole; undefined where it can. */
type Unfit = (backup: BackupRecord) => string | undefined;

/** A point, the stretch it lies in, and why a backup cannot be brought to it. */
export type Reachable = {
  outcome: 'reachable';
  point: Point;
  /** Undefined where a backup that stands there can be brought to the point. */
  whyNot: (
    backup: Pick<BackupRecord, 'position' | 'site' | 'startedAt' | 'origin' | 'serverVersion'>,
  ) => string | undefined;
  orderFrom: (position: MysqlPosition) => LogOrder;
  /** What is in the segments between a position and the point that change definitions. */
  changes: (from: MysqlPosition) => AsyncIterable<SegmentIndex>;
  /** What can be had instead, where no backup fits. */
  nearest: string;
};

const positionOf = ({ position }: Pick<BackupRecord, 'position'>): MysqlPosition | undefined =>
  position?.kind === 'mysql' ? position : undefined;

/**
 * Whether the walk back may end: what lies before this segment is neither needed to find the point nor to reach it from
 * the newest backup before it. It ends at once where no backup lies before the point.
 */
function makeEnough(until: Until, backups: readonly BackupRecord[], unfit: Unfit) {
  const sought = soughtOf(until);
  let point: { log: ArchivedSegment['log']; leading: BackupRecord[] } | undefined;
  return (segment: ArchivedSegment): boolean => {
    if (point === undefined) {
      if (liesBefore(sought, segment)) return false;
      point = { log: segment.log, leading: thoseThatLeadTo(segment, backups) };
    }
    const { log, leading } = point;
    const within = (backup: BackupRecord) => {
      const { gtid = '', file, offset = log.from } = positionOf(backup) ?? {};
      if (gtid !== '') return gtidContains(segment.flavour, gtid, segment.start.gtid);
      return file === segment.log.file && (file !== log.file || offset <= log.from);
    };
    return leading.length === 0 || leading.some((backup) => within(backup) && unfit(backup) === undefined);
  };
}

/** The backups before the segment in which a point lies; where there is none, those that may lie before the point in it. */
function thoseThatLeadTo({ flavour, start, end }: ArchivedSegment, backups: readonly BackupRecord[]) {
  const notBehind = (to: MysqlPosition) =>
    backups.filter((backup) => {
      const position = positionOf(backup);
      return position?.flavour === flavour && gtidContains(flavour, to.gtid, position.gtid);
    });
  const before = notBehind(start);
  return before.length > 0 ? before : notBehind(end);
}

/** Whether the point lies before the beginning of this segment, as far as its header tells. */
function liesBefore(sought: Sought, segment: ArchivedSegment): boolean {
  if (sought.kind === 'latest') return false;
  if (sought.kind === 'time') return microseconds(segment.seen.first) + lookMicros > sought.micros;
  return !mayHoldPoint(sought, segment);
}

/** Whether a point lies on a dead branch behind what the history that went on has of it. */
const isAstray = ({ position: { flavour, gtid } }: Point, { dead }: ArchiveHead): boolean =>
  dead !== undefined && (dead.shared === null || !gtidContains(flavour, dead.shared, gtid));

const deadBranch = ({ timeline }: ArchiveHead): NoPoint => ({
  outcome: 'no-point',
  why: `it lies in ${timeline}, which is a dead branch: the cluster went on without it`,
  nearest: `name ${timeline} as until.timeline to have it all the same`,
});

const noPoint = (until: Until, found: readonly NoPoint[]): Refused =>
  refused(
    'Restore.PointOutside',
    `until: ${JSON.stringify(until)} cannot be had: ${found.map(({ why, nearest }) => `${why}; ${nearest}`).join('. ')}`,
    { field: 'until' },
  );

/**
 * Finds the exact position of a point in the cluster's archive, which is read as far back as to the newest of these
 * backups that leads to it. Refuses with the nearest that can be had.
 */
export async function planUntil(
  clusterId: string,
  site: SiteRef,
  until: Until,
  backups: readonly BackupRecord[],
  deps: PlanUntilDeps,
  unfit: Unfit = () => undefined,
): Promise<Reachable | Refused> {
  const asked = until === 'latest' ? undefined : until.timeline;
  const heads = await archiveHeads(deps.archives, clusterId, site);
  const chosen = heads.filter(({ timeline }) => asked === undefined || timeline === asked);
  if (chosen.length === 0) {
    const instead =
      heads.length === 0
        ? `no log of ${clusterId} is archived; leave out until, and the state of the backup is restored`
        : `${clusterId} has the timelines ${heads.map(({ timeline }) => timeline).join(', ')}`;
    return refused('Restore.PointOutside', `until: ${JSON.stringify(until)} cannot be had: ${instead}`, {
      field: 'until',
    });
  }
  const found: { point: Point; stretch: Stretch; head: ArchiveHead }[] = [];
  const missing: NoPoint[] = [];
  for (const head of chosen) {
    const objects = deps.objectsOf(head.site);
    const own = backups.filter(
      (backup) => isOfHistory(backup, head) && backup.site.bucket === head.site.bucket,
    );
    const tail = head.record && (await reportedTail(head.record, deps, objects));
    const enough = makeEnough(until, own, unfit);
    const stretch = await recordedStretch(head, deps.archives, objects, enough, tail);
    const point = await resolvePoint(until, stretch, (n) => readIndex(objects, stretch.segments[n]!.key));
    const astray = point.outcome === 'point' && asked === undefined && isAstray(point, head);
    if (point.outcome === 'no-point') missing.push(point);
    else if (astray && (until === 'latest' || 'time' in until)) missing.push(deadBranch(head));
    else found.push({ point, stretch, head });
    // A time is one of the newest history that has it; a transaction may be in several.
    if (found.length > 0 && (until === 'latest' || 'time' in until)) break;
  }
  const [one, other] = found;
  if (one === undefined) return noPoint(until, missing);
  if (other !== undefined) {
    return refused(
      'Restore.PointAmbiguous',
      `until: ${JSON.stringify(until)} is in the timelines ${found.map(({ point }) => point.timeline).join(' and ')}, which are two histories: name one of them as until.timeline`,
      { field: 'until.timeline' },
    );
  }
  const { point, stretch, head } = one;
  if (asked === undefined && isAstray(point, head)) return noPoint(until, [deadBranch(head)]);
  return {
    outcome: 'reachable',
    point,
    whyNot: (backup) => {
      const position = positionOf(backup);
      if (position === undefined) return 'it has no position in the log';
      if (!isOfHistory(backup, head)) return `it is of another history than ${head.timeline}`;
      if (backup.site.bucket !== head.site.bucket) return `it lies at another site than the archive`;
      const own = stretch.segments.at(-1)?.serverUuid;
      if (point.position.gtid === '' && point.position.flavour === 'mysql' && backup.origin?.uuid !== own) {
        return `the archive has no GTIDs and is of server ${own}, the backup is of ${backup.origin?.uuid ?? 'an unknown one'}`;
      }
      return (
        whyNotFrom(position, point, stretch) ?? whyNotVersion(backup.serverVersion, position, point, stretch)
      );
    },
    orderFrom: (position) => logOrderOf(position, point, stretch),
    async *changes(from) {
      for (const { key, flavour, end, ddl } of stretch.segments.slice(0, point.segment + 1)) {
        if (ddl === 0 || gtidContains(flavour, from.gtid, end.gtid)) continue;
        yield await readIndex(deps.objectsOf(head.site), key);
      }
    },
    nearest: reachOf(stretch),
  };
}
