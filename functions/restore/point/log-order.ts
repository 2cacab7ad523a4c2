import type { MysqlPosition } from '../../../contract/positions/position.ts';
import type { LogOrder } from '../../../contract/records/log-order.ts';
import { isLaterSeries } from '../version-fit.ts';
import { containing, contains } from './gtids.ts';
import type { Point, Stretch } from './resolve-point.ts';

/** As many segments are named at most; between them the runner walks back, several at once. */
const mostEnds = 64;

/** Without GTIDs points and backups are told by file and offset. */
const byPlace = ({ position }: Point) => position.gtid === '';

/** A position without what only its own server knows of it. */
const bare = ({ kind, flavour, gtid }: MysqlPosition): MysqlPosition => ({ kind, flavour, gtid });

/**
 * Whether a backup that stands at `from` can be brought to the point: the archive must begin at or before it, and the
 * point must not lie before it. Undefined where it can, else why not. Without GTIDs a backup is found by its file.
 */
export function whyNotFrom(from: MysqlPosition, point: Point, stretch: Stretch): string | undefined {
  const { flavour, gtid } = point.position;
  const first = stretch.segments[0]!;
  const known = stretch.segments.at(-1)!.end.gtid;
  if (from.flavour !== flavour) return `its position is of ${from.flavour}`;
  if (byPlace(point) && flavour === 'mariadb' && from.gtid !== '') {
    return `its position ${from.gtid} is not in a log without GTIDs`;
  }
  // MySQL that had GTIDs once names them still.
  if (!byPlace(point)) {
    if (flavour === 'mysql' && from.gtid === '') return 'it has no GTIDs, and the archive has';
    if (!contains(flavour, gtid, from.gtid, known))
      return `it holds what lies behind the point: ${from.gtid}`;
    if (!contains(flavour, from.gtid, first.start.gtid, known)) {
      return `the archive begins behind it, at ${first.start.gtid}`;
    }
    return undefined;
  }
  const [at, to] = [placeOf(from, stretch), placeOf(point.position, stretch)];
  if (at === undefined)
    return `the archive does not hold ${from.file ?? 'its position'}:${from.offset ?? ''}`;
  return to !== undefined && at.segment <= to.segment && (at.segment < to.segment || at.offset <= to.offset)
    ? undefined
    : `it holds what lies behind the point: ${from.file}:${from.offset}`;
}

function placeOf({ file, offset }: MysqlPosition, { segments }: Stretch) {
  const segment = segments.findIndex(
    ({ log }) => log.file === file && offset !== undefined && log.from <= offset && offset <= log.to,
  );
  return segment < 0 ? undefined : { segment, offset: offset! };
}

/** Place of the segment from which on the log must be there: its file's first one, since no file is read from within. */
function firstNeeded(from: MysqlPosition, point: Point, stretch: Stretch): number {
  const { segments } = stretch;
  const { flavour } = point.position;
  const known = segments.at(-1)!.end.gtid;
  const has = containing(flavour, from.gtid, known);
  let n = byPlace(point)
    ? (placeOf(from, stretch)?.segment ?? 0)
    : segments.findLastIndex(({ start }, i) => i <= point.segment && has(start.gtid));
  for (n = Math.max(0, n); n > 0; n--) {
    if (segments[n]!.log.begins) break;
  }
  return n;
}

/**
 * Why the log after a backup of a server of this version cannot be replayed on it: some of it was written by a later
 * series (M23). Undefined where it can, and of a backup that does not say what it is of.
 */
export function whyNotVersion(
  version: string | undefined,
  from: MysqlPosition,
  point: Point,
  stretch: Stretch,
): string | undefined {
  if (version === undefined) return undefined;
  const needed = stretch.segments.slice(firstNeeded(from, point, stretch), point.segment + 1);
  const later = needed.find(({ serverVersion = '' }) => isLaterSeries(serverVersion, version));
  return later === undefined
    ? undefined
    : `it is of ${version}, and from ${later.log.file} on, begun after ${later.start.gtid || 'its predecessor'} and seen at ${later.seen.first}, the log is of ${later.serverVersion}: ask for a point before that, or name a backup of that version`;
}

/** The order to replay from a backup's position to the point. The backup must fit it (`whyNotFrom`). */
export function logOrderOf(from: MysqlPosition, point: Point, stretch: Stretch): LogOrder {
  const begin = firstNeeded(from, point, stretch);
  const needed = stretch.segments.slice(begin, point.segment + 1);
  const { set } = needed[0]!;
  const step = Math.ceil(needed.length / mostEnds);
  const ends = needed
    .map(({ key, crc }, i) => ({ key, crc, i }))
    .filter(({ i }) => (needed.length - 1 - i) % step === 0)
    .map(({ key, crc }) => ({ key, crc }))
    .reverse();
  return {
    set,
    timeline: point.timeline,
    from: byPlace(point) || from.gtid === '' ? from : bare(from),
    until: point.position,
    first: needed[0]!.key,
    ends,
    segments: needed.length,
    bytes: needed.reduce((sum, { log }) => sum + log.to - log.from, 0),
  };
}
