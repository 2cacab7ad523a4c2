import type { SegmentHeader, SegmentIndex } from '../../contract/formats/segment.ts';
import { gtidContains } from '../../contract/formats/segment-chain.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { LogOrder } from '../../contract/records/log-order.ts';
import { microseconds, type Until } from '../../contract/records/until.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import { type Refused, refused } from '../log/lambda.ts';
import { mayHoldPoint, type Sought } from './point/first-unwanted.ts';
import { logOrderOf, whyNotFrom } from './point/log-order.ts';
import {
  type NoPoint,
  type Point,
  reachOf,
  resolvePoint,
  type Stretch,
  soughtOf,
} from './point/resolve-point.ts';
import { type ArchiveHead, readIndex, walkArchive } from './point/walk-archive.ts';

export type ArchiveHeads = {
  /** Where the archives of a cluster end, one per timeline, the newest timeline first; none where no log is archived. */
  heads: (clusterId: string) => Promise<ArchiveHead[]>;
};

export type PlanUntilDeps = { archives: ArchiveHeads; objectsOf: ObjectsOf };

/** A point, the stretch it lies in, and why a backup cannot be brought to it. */
export type Reachable = {
  outcome: 'reachable';
  point: Point;
  /** Undefined where a backup that stands there can be brought to the point. */
  whyNot: (backup: Pick<BackupRecord, 'position' | 'site' | 'timeline'>) => string | undefined;
  orderFrom: (position: MysqlPosition) => LogOrder;
  /** What is in the segments between a position and the point that change definitions. */
  changes: (from: MysqlPosition) => AsyncIterable<SegmentIndex>;
  /** What can be had instead, where no backup fits. */
  nearest: string;
};

/** One GTID stands for two transactions in two histories; where there is one alone, every backup is of it. */
const ofHistory = (
  { timeline }: Pick<BackupRecord, 'timeline'>,
  head: ArchiveHead,
  heads: readonly ArchiveHead[],
): boolean => heads.length === 1 || timeline === head.timeline;

const positionOf = ({ position }: Pick<BackupRecord, 'position'>): MysqlPosition | undefined =>
  position?.kind === 'mysql' ? position : undefined;

/**
 * Whether the walk back may end: what lies before this segment is neither needed to find the point nor to reach it from
 * the newest backup before it.
 */
function makeEnough(until: Until, backups: readonly Pick<BackupRecord, 'position'>[]) {
  const sought = soughtOf(until);
  let pointLies: SegmentHeader | undefined;
  return (header: SegmentHeader): boolean => {
    if (pointLies === undefined && !liesBefore(sought, header)) pointLies = header;
    const point = pointLies;
    if (point === undefined) return false;
    const { flavour } = header.server;
    const fits = (backup: Pick<BackupRecord, 'position'>) => {
      const position = positionOf(backup);
      if (position?.flavour !== flavour) return false;
      if (position.gtid === '') return position.file === header.log.file;
      return (
        gtidContains(flavour, position.gtid, header.start.gtid) &&
        gtidContains(flavour, point.start.gtid, position.gtid)
      );
    };
    return backups.some(fits);
  };
}

/** Whether the point lies before the beginning of this segment, as far as its header tells. */
function liesBefore(sought: Sought, header: SegmentHeader): boolean {
  if (sought.kind === 'latest') return false;
  if (sought.kind === 'time') return microseconds(header.seen.first) > sought.micros;
  return !mayHoldPoint(sought, header);
}

const noPoint = (until: Until, found: readonly NoPoint[]): Refused =>
  refused(
    'Restore.PointOutside',
    `until: ${JSON.stringify(until)} cannot be had: ${found.map(({ why, nearest }) => `${why}; ${nearest}`).join('. ')}`,
    { field: 'until' },
  );

/** Finds the exact position of a point in the cluster's archive. Refuses with the nearest that can be had. */
export async function planUntil(
  clusterId: string,
  until: Until,
  backups: readonly BackupRecord[],
  deps: PlanUntilDeps,
): Promise<Reachable | Refused> {
  const heads = await deps.archives.heads(clusterId);
  const asked = until === 'latest' ? undefined : until.timeline;
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
    const own = backups.filter((backup) => ofHistory(backup, head, heads));
    const stretch = await walkArchive(head, objects, makeEnough(until, own));
    const point = await resolvePoint(until, stretch, (n) => readIndex(objects, stretch.segments[n]!.key));
    if (point.outcome === 'point') found.push({ point, stretch, head });
    else missing.push(point);
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
  return {
    outcome: 'reachable',
    point,
    whyNot: (backup) => {
      const position = positionOf(backup);
      if (position === undefined) return 'it has no position in the log';
      if (!ofHistory(backup, head, heads)) return `it is of the timeline ${backup.timeline ?? 'before all'}`;
      if (backup.site.bucket !== head.site.bucket) return `it lies at another site than the archive`;
      return whyNotFrom(position, point, stretch);
    },
    orderFrom: (position) => logOrderOf(position, point, stretch),
    async *changes(from) {
      for (const { key, header } of stretch.segments.slice(0, point.segment + 1)) {
        const passed = gtidContains(header.server.flavour, from.gtid, header.end.gtid);
        if (header.ddl > 0 && !passed) yield await readIndex(deps.objectsOf(head.site), key);
      }
    },
    nearest: reachOf(stretch),
  };
}
