import { formatMariadbGtid, parseMariadbGtid } from '../../../../contract/positions/mariadb-gtid.ts';
import {
  formatMysqlGtid,
  type GtidInterval,
  parseMysqlGtid,
} from '../../../../contract/positions/mysql-gtid.ts';

/**
 * Where a log stands, transaction by transaction: MariaDB keeps the last one of each domain, MySQL the set of all.
 * (The sets of contract/positions are immutable; a log adds thousands of transactions each second.)
 */
export type GtidState = {
  add: (gtid: Gtid) => void;
  text: () => string;
};

/** `source` is the domain (MariaDB) or `uuid[:tag]` (MySQL); `server` counts in MariaDB only. */
export type Gtid = { source: string; server: number; number: bigint };

export type LogFlavour = 'mariadb' | 'mysql';

export const gtidText = (flavour: LogFlavour, { source, server, number }: Gtid) =>
  flavour === 'mariadb' ? `${source}-${server}-${number}` : `${source}:${number}`;

function mariadbState(text: string): GtidState {
  const last = new Map(parseMariadbGtid(text));
  return {
    add: ({ source, server, number }) => void last.set(Number(source), { server, seq: number }),
    text: () => formatMariadbGtid(last),
  };
}

/** Adds one number; most come right behind the last interval. */
function addNumber(intervals: GtidInterval[], number: bigint): void {
  let i = intervals.length;
  while (i > 0 && intervals[i - 1]!.first > number) i--;
  const before = intervals[i - 1];
  const after = intervals[i];
  if (before && number <= before.last) return;
  const joinsBefore = before !== undefined && before.last + 1n === number;
  const joinsAfter = after !== undefined && number + 1n === after.first;
  if (joinsBefore && joinsAfter) {
    before.last = after.last;
    intervals.splice(i, 1);
  } else if (joinsBefore) before.last = number;
  else if (joinsAfter) after.first = number;
  else intervals.splice(i, 0, { first: number, last: number });
}

function mysqlState(text: string): GtidState {
  const sources = new Map<string, GtidInterval[]>();
  for (const [source, intervals] of parseMysqlGtid(text)) {
    sources.set(
      source,
      intervals.map((interval) => ({ ...interval })),
    );
  }
  return {
    add: ({ source, number }) => {
      let intervals = sources.get(source);
      if (intervals === undefined) {
        intervals = [];
        sources.set(source, intervals);
      }
      addNumber(intervals, number);
    },
    text: () => formatMysqlGtid(new Map([...sources].sort(([a], [b]) => (a < b ? -1 : 1)))),
  };
}

/** @param text the state to begin with, as `contract/positions` writes it. Throws `Input.Invalid`. */
export const makeGtidState = (flavour: LogFlavour, text: string): GtidState =>
  flavour === 'mariadb' ? mariadbState(text) : mysqlState(text);
