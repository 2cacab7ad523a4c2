import type { SegmentIndex, SegmentTransaction } from '../../../contract/formats/segment.ts';
import { microseconds } from '../../../contract/records/until.ts';
import { liesBetween } from './gtids.ts';
import type { ArchivedSegment } from './resolve-point.ts';

type Seen = Pick<ArchivedSegment, 'flavour' | 'seen' | 'log' | 'start' | 'end' | 'commits' | 'transactions'>;

/** A point as it is looked for: microseconds since 1970, one transaction, or a place in a log without GTIDs. */
export type Sought =
  | { kind: 'latest' }
  | { kind: 'time'; micros: number }
  | { kind: 'gtid'; gtid: string; included: boolean }
  | { kind: 'place'; file: string; offset: number };

/** When the last look before a segment was, as its bytes were not there yet then; 0 where nobody looked before. */
export type LookBefore = number;

/** Between which looks, in microseconds, each transaction of a segment appeared in the log: `(after, by]`. */
function appearances(segment: Seen, index: SegmentIndex, lookBefore: LookBefore) {
  const looks = index.looks.map(({ to, at }) => ({ to, at: microseconds(at) }));
  const ended = microseconds(segment.seen.last);
  return ({ at, bytes }: SegmentTransaction): { after: number; by: number } => {
    const n = looks.findIndex(({ to }) => to >= at + bytes);
    if (n < 0) return { after: looks.at(-1)?.at ?? lookBefore, by: ended };
    return { after: looks[n - 1]?.at ?? lookBefore, by: looks[n]!.at };
  };
}

export type Committed = 'by-then' | 'perhaps' | 'later';

/** A look bears the time at which it began, and has what was committed until the server answered: a second at most. */
export const lookMicros = 1_000_000;

/**
 * Whether a transaction was committed at or before a time. MySQL writes the microsecond of each commit. MariaDB writes
 * the second in which the last statement began, so that of the next second counts as later; beyond that only the looks
 * of the agent bound it: what it had seen by then was committed, what it had not seen afterwards was not.
 */
export function committedBy(
  micros: number,
  transaction: Pick<SegmentTransaction, 'time'>,
  flavour: 'mariadb' | 'mysql',
  appeared: { after: number; by: number },
): Committed {
  if (flavour === 'mysql') return transaction.time <= micros ? 'by-then' : 'later';
  if (appeared.by + lookMicros <= micros) return 'by-then';
  return appeared.after >= micros || transaction.time >= micros ? 'later' : 'perhaps';
}

export type Cut = {
  /** Place in the index of the first transaction that the point leaves out; undefined where it takes all of them. */
  unwanted: number | undefined;
  /** How many of those it takes may have been committed after the time all the same. */
  perhaps: number;
};

/** Where the point lies in this segment. A transaction that it does not hold leaves everything wanted. */
export function cutOf(sought: Sought, segment: Seen, index: SegmentIndex, lookBefore: LookBefore): Cut {
  const { transactions } = index;
  const whole: Cut = { unwanted: undefined, perhaps: 0 };
  if (sought.kind === 'latest') return whole;
  if (sought.kind === 'gtid') {
    const at = transactions.findIndex(({ gtid }) => gtid === sought.gtid);
    if (at < 0) return whole;
    return { unwanted: sought.included ? at + 1 : at, perhaps: 0 };
  }
  if (sought.kind === 'place') {
    const at = transactions.findIndex((transaction) => transaction.at >= sought.offset);
    return { unwanted: at < 0 ? transactions.length : at, perhaps: 0 };
  }
  const appeared = appearances(segment, index, lookBefore);
  let perhaps = 0;
  for (const [at, transaction] of transactions.entries()) {
    const committed = committedBy(sought.micros, transaction, segment.flavour, appeared(transaction));
    if (committed === 'later') return { unwanted: at, perhaps };
    if (committed === 'perhaps') perhaps++;
  }
  return { unwanted: undefined, perhaps };
}

/** The transaction of a segment in which a place lies; undefined where one may end there. */
export const transactionAround = (
  offset: number,
  { transactions }: SegmentIndex,
): SegmentTransaction | undefined => transactions.find(({ at, bytes }) => at < offset && offset < at + bytes);

/** Whether the index of this segment must be read to know where the point lies; by its header alone. */
export function mayHoldPoint(sought: Sought, segment: Seen): boolean {
  if (sought.kind === 'place') {
    const { file, from, to } = segment.log;
    return file === sought.file && from < sought.offset && sought.offset <= to;
  }
  if (segment.transactions === 0 || sought.kind === 'latest') return false;
  const { flavour } = segment;
  if (sought.kind === 'gtid') return liesBetween(flavour, segment.start.gtid, segment.end.gtid, sought.gtid);
  if (flavour === 'mysql') return segment.commits !== null && segment.commits.last > sought.micros;
  return microseconds(segment.seen.last) + lookMicros > sought.micros;
}
