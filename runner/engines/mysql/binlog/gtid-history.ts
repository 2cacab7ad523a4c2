import {
  formatMariadbGtid,
  type MariadbGtid,
  type MariadbGtidPosition,
  parseMariadbGtid,
} from '../../../../contract/positions/mariadb-gtid.ts';
import {
  formatMysqlGtid,
  mysqlGtidSubtract,
  parseMysqlGtid,
} from '../../../../contract/positions/mysql-gtid.ts';
import { type LogFlavour, makeGtidState } from './gtid-state.ts';

/** Whether a log, read transaction by transaction, has everything up to where an archive ends. */
export type GtidHistory = {
  /** Takes the next transaction of the log and says whether the archive has it. */
  add: (gtid: string) => 'archived' | 'beyond';
  complete: () => boolean;
  /** What of the end was not seen yet. */
  missing: () => string;
  /** The log has gone beyond something that was not seen: it is another history. */
  passed: () => boolean;
};

/**
 * MariaDB's numbers may be given to other transactions after a crash or a failover, so that a higher number proves
 * nothing (M02): of each domain the very last transaction of the archive must appear.
 */
function mariadbHistory(end: MariadbGtidPosition, start: MariadbGtidPosition): GtidHistory {
  const left = new Map(end);
  let passed = false;
  const see = (domain: number, server: number, seq: bigint) => {
    const wanted = left.get(domain);
    if (wanted?.seq === seq && wanted.server === server) left.delete(domain);
    else if (wanted && seq >= wanted.seq) passed = true;
    return seq <= (end.get(domain)?.seq ?? -1n) ? 'archived' : 'beyond';
  };
  for (const [domain, { server, seq }] of start) see(domain, server, seq);
  return {
    add: (gtid) => {
      const [[domain, { server, seq }]] = [...parseMariadbGtid(gtid)] as [[number, MariadbGtid]];
      return see(domain, server, seq);
    },
    complete: () => left.size === 0,
    missing: () => formatMariadbGtid(left),
    passed: () => passed,
  };
}

/** MySQL's numbers are of one server each and never given twice but by a crash, which only the bytes tell. */
function mysqlHistory(end: string, start: string): GtidHistory {
  const state = makeGtidState('mysql', start);
  const wanted = parseMysqlGtid(end);
  const missing = () => formatMysqlGtid(mysqlGtidSubtract(wanted, parseMysqlGtid(state.text())));
  let left = missing();
  return {
    add: (gtid) => {
      const at = gtid.lastIndexOf(':');
      state.add({ source: gtid.slice(0, at), server: 0, number: BigInt(gtid.slice(at + 1)) });
      if (!isIn(gtid, end)) return 'beyond';
      if (left !== '' && isIn(gtid, left)) left = missing();
      return 'archived';
    },
    complete: () => left === '',
    missing: () => left,
    passed: () => false,
  };
}

/** Whether one transaction is in a set. */
function isIn(gtid: string, set: string): boolean {
  return mysqlGtidSubtract(parseMysqlGtid(gtid), parseMysqlGtid(set)).size === 0;
}

export const makeGtidHistory = (flavour: LogFlavour, end: string, start: string): GtidHistory =>
  flavour === 'mariadb'
    ? mariadbHistory(parseMariadbGtid(end), parseMariadbGtid(start))
    : mysqlHistory(end, start);
