import { NamedError } from '../../../contract/errors/named-error.ts';
import type { SegmentHeader, SegmentIndex } from '../../../contract/formats/segment.ts';
import type { MysqlPosition } from '../../../contract/positions/position.ts';
import { microseconds, momentOf, type Until } from '../../../contract/records/until.ts';
import { cutOf, mayHoldPoint, type Sought, transactionAround } from './first-unwanted.ts';
import { after, both, contains, isOf } from './gtids.ts';

/** What a point is looked for in: a segment by what its header says. */
export type ArchivedSegment = Pick<
  SegmentHeader,
  'set' | 'start' | 'end' | 'openAfter' | 'commits' | 'seen' | 'transactions'
> & {
  key: string;
  crc: string;
  serverUuid?: string;
  /** Of the server that wrote it; undefined where nobody asks. */
  serverVersion?: string;
  /** How many of its transactions change definitions; undefined where nobody has counted. */
  ddl?: number;
  flavour: 'mariadb' | 'mysql';
  /** `begins`: a file begins with it, or is entered with it. */
  log: { file: string; from: number; to: number; begins: boolean };
};

/** One unbroken stretch of a set's archive, oldest segment first, and until when it is known that nothing more was in the log. */
export type Stretch = {
  timeline: string;
  segments: readonly ArchivedSegment[];
  /** Everything that was in the log at this instant is in the segments. */
  durableAt: string | null;
};

/** Where a point lies, exactly. */
export type Point = {
  outcome: 'point';
  timeline: string;
  /** Everything up to it is wanted; file and offset are those of the member that archived it. */
  position: MysqlPosition;
  /** Place in the stretch of the segment in which it lies. */
  segment: number;
  /** Latest commit time among what is wanted of that segment and known; null where none is. */
  lastCommit: string | null;
  /** How many transactions may have been committed after the time that was asked for (MariaDB). */
  perhapsLater: number;
};

/** Why there is no such point, and the nearest that can be had. */
export type NoPoint = { outcome: 'no-point'; why: string; nearest: string };

/** What is looked for, in the words of the index. */
export const soughtOf = (until: Until): Sought => {
  if (until === 'latest') return { kind: 'latest' };
  if ('time' in until) return { kind: 'time', micros: microseconds(until.time) };
  if ('file' in until) return { kind: 'place', file: until.file, offset: until.offset };
  return 'gtid' in until
    ? { kind: 'gtid', gtid: until.gtid.toLowerCase(), included: true }
    : { kind: 'gtid', gtid: until.beforeGtid.toLowerCase(), included: false };
};

/** How far the archive reaches, as an operator may ask for it. */
export function reachOf({ segments, durableAt }: Stretch): string {
  const end = segments.at(-1)!;
  const known = durableAt === null || durableAt < end.seen.last ? end.seen.last : durableAt;
  return `the archive reaches to ${known} (${end.end.gtid || `${end.log.file}:${end.log.to}`}): ask for {"time": "${known}"} or "latest"`;
}

/**
 * The exact position of a point in an unbroken stretch: the longest prefix of the log without what the point leaves out.
 * Reads the index only of segments that may hold it. A transaction that is still open at the end is never part of it.
 */
export async function resolvePoint(
  until: Until,
  stretch: Stretch,
  readIndex: (n: number) => Promise<SegmentIndex>,
): Promise<Point | NoPoint> {
  const { segments, timeline } = stretch;
  const sought = soughtOf(until);
  const end = segments.at(-1);
  if (end === undefined) {
    return { outcome: 'no-point', why: 'nothing of the log is archived', nearest: 'a backup without until' };
  }
  const { flavour } = end;
  const refusal = outside(sought, stretch);
  if (refusal !== undefined) return refusal;

  /** What the servers before this segment's had reached, and what its own had: within one log the end has it all. */
  let handedOver = segments[0]!.start.gtid;
  let before = segments[0]!;
  let perhapsLater = 0;
  let passed = 0;
  /** The last two: one look may see the end of a segment and the beginning of the next. */
  let looks = [0];
  for (const [n, segment] of segments.entries()) {
    if (segment.serverUuid !== before.serverUuid) handedOver = both(flavour, handedOver, before.end.gtid);
    if (mayHoldPoint(sought, segment)) {
      const index = await readIndex(n);
      const within = sought.kind === 'place' ? withinTransaction(sought, segment, index) : undefined;
      if (within !== undefined) return within;
      const seen = microseconds(segment.seen.first);
      const lookBefore = looks.findLast((at) => at < seen) ?? 0;
      const { unwanted, perhaps } = cutOf(sought, segment, index, lookBefore);
      perhapsLater += perhaps;
      // Before its first transaction only what an agent has looked at is known: that nothing was in the log yet.
      const unseen = sought.kind === 'time' && sought.micros < microseconds(segments[0]!.seen.first);
      if (unwanted === 0 && passed === 0 && unseen) return beforeAll(stretch);
      if (unwanted !== undefined) {
        const wanted = index.transactions.slice(0, unwanted);
        const own = after(
          flavour,
          segment.start.gtid,
          wanted.map(({ gtid }) => gtid),
        );
        const next = index.transactions[unwanted];
        const times = wanted.map(({ time }) => time);
        return {
          outcome: 'point',
          timeline,
          position: {
            kind: 'mysql',
            flavour,
            gtid: both(flavour, both(flavour, handedOver, segment.start.gtid), own),
            file: segment.log.file,
            offset: next?.at ?? endOf(segment),
          },
          segment: n,
          lastCommit: times.length === 0 ? null : momentOf(times.reduce((a, b) => Math.max(a, b))),
          perhapsLater,
        };
      }
      looks = lastTwo([...looks, ...index.looks.map(({ at }) => microseconds(at))]);
    } else {
      looks = lastTwo([...looks, microseconds(segment.seen.first), microseconds(segment.seen.last)]);
    }
    passed += segment.transactions;
    before = segment;
  }
  if (sought.kind === 'gtid') return unknown(sought.gtid, stretch);
  if (sought.kind === 'place') return noSuchPlace(sought, stretch);
  return {
    outcome: 'point',
    timeline,
    position: {
      kind: 'mysql',
      flavour,
      gtid: both(flavour, handedOver, end.end.gtid),
      file: end.log.file,
      offset: endOf(end),
    },
    segment: segments.length - 1,
    lastCommit: end.commits === null ? null : momentOf(end.commits.last),
    perhapsLater,
  };
}

const lastTwo = (looks: readonly number[]): number[] => [...new Set(looks)].slice(-2);

/** Where the last complete transaction of a segment ends. */
const endOf = ({ openAfter, log }: Pick<ArchivedSegment, 'openAfter' | 'log'>): number =>
  openAfter?.at ?? log.to;

function outside(sought: Sought, stretch: Stretch): NoPoint | undefined {
  const { segments, durableAt } = stretch;
  const [first, end] = [segments[0]!, segments.at(-1)!];
  if (sought.kind === 'time') {
    const known = Math.max(microseconds(end.seen.last), durableAt === null ? 0 : microseconds(durableAt));
    if (sought.micros > known) {
      return {
        outcome: 'no-point',
        why: 'what was committed by then is not archived yet',
        nearest: reachOf(stretch),
      };
    }
  }
  if (sought.kind === 'place' && end.end.gtid !== '') {
    return {
      outcome: 'no-point',
      why: 'this log has GTIDs, and several of its servers may have named a file like that',
      nearest: 'ask for {"gtid": …}, {"beforeGtid": …} or {"time": …}',
    };
  }
  if (sought.kind !== 'gtid') return undefined;
  const { flavour } = end;
  if (!isOf(flavour, sought.gtid)) {
    const form = flavour === 'mariadb' ? 'domain-server-sequence' : 'uuid:number';
    return { outcome: 'no-point', why: `a GTID of ${flavour} is ${form}`, nearest: reachOf(stretch) };
  }
  try {
    if (!contains(flavour, first.start.gtid, sought.gtid, sought.gtid)) return undefined;
  } catch (error) {
    if (error instanceof NamedError)
      return { outcome: 'no-point', why: error.message, nearest: reachOf(stretch) };
    throw error;
  }
  return beforeAll(stretch);
}

function beforeAll({ timeline, segments }: Stretch): NoPoint {
  const { start, seen } = segments[0]!;
  return {
    outcome: 'no-point',
    why: 'it lies before the archive begins',
    nearest: `${timeline} begins at ${start.gtid || 'the first transaction'}, seen at ${seen.first}`,
  };
}

function unknown(gtid: string, stretch: Stretch): NoPoint {
  const end = stretch.segments.at(-1)!;
  const passed = contains(end.flavour, end.end.gtid, gtid, gtid);
  return {
    outcome: 'no-point',
    why: passed ? 'the archived log holds no such transaction' : 'it is not in the archived log',
    nearest: reachOf(stretch),
  };
}

type Place = Extract<Sought, { kind: 'place' }>;

/** A transaction is restored as a whole or not at all. */
function withinTransaction(
  { file, offset }: Place,
  { openAfter }: ArchivedSegment,
  index: SegmentIndex,
): NoPoint | undefined {
  const around = transactionAround(offset, index);
  const from = around?.at ?? (openAfter !== null && offset > openAfter.at ? openAfter.at : undefined);
  if (from === undefined) return undefined;
  const behind = around && ` or {"file": "${file}", "offset": ${around.at + around.bytes}} with it`;
  return {
    outcome: 'no-point',
    why: `${file}:${offset} lies within a transaction`,
    nearest: `ask for {"file": "${file}", "offset": ${from}} without it${behind ?? ''}`,
  };
}

function noSuchPlace({ file, offset }: Place, stretch: Stretch): NoPoint {
  const own = stretch.segments.filter(({ log }) => log.file === file);
  const [first, last] = [stretch.segments[0]!, own.at(-1)];
  const why =
    last === undefined
      ? `${file} is not in the archive, which begins with ${first.log.file}`
      : `${file} is archived from ${own[0]!.log.from} to ${last.log.to}, and ${offset} lies outside`;
  return { outcome: 'no-point', why, nearest: reachOf(stretch) };
}
