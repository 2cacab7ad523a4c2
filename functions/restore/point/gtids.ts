import {
  formatMariadbGtid,
  mariadbGtidContains,
  parseMariadbGtid,
} from '../../../contract/positions/mariadb-gtid.ts';
import {
  formatMysqlGtid,
  mysqlGtidContains,
  mysqlGtidUnion,
  parseMysqlGtid,
} from '../../../contract/positions/mysql-gtid.ts';
import { transactionsBetween } from '../../../contract/positions/transactions-between.ts';

type Flavour = 'mariadb' | 'mysql';

/**
 * Where a log stands that stood at `position` and then held these transactions. On MariaDB the position of a domain is
 * its highest sequence: of what comes a second time after a handover nothing counts.
 */
export function after(flavour: Flavour, position: string, gtids: readonly string[]): string {
  const named = gtids.filter((gtid) => gtid !== '');
  if (flavour === 'mysql') {
    return formatMysqlGtid(mysqlGtidUnion(parseMysqlGtid(position), parseMysqlGtid(named.join(','))));
  }
  const domains = new Map(parseMariadbGtid(position));
  for (const text of named) {
    for (const [domain, gtid] of parseMariadbGtid(text)) {
      const there = domains.get(domain);
      if (there === undefined || gtid.seq > there.seq) domains.set(domain, gtid);
    }
  }
  return formatMariadbGtid(domains);
}

/** Everything of both positions. */
export const both = (flavour: Flavour, a: string, b: string): string =>
  flavour === 'mysql' ? after(flavour, a, [b]) : after(flavour, a, b.split(','));

/** Whether the GTID of one transaction has the form of this flavour. */
export const isOf = (flavour: Flavour, gtid: string): boolean =>
  /^\d+-\d+-\d+$/.test(gtid) === (flavour === 'mariadb');

/** Whether a log that goes from `start` to `end` holds this transaction, as far as the positions can tell. */
export const liesBetween = (flavour: Flavour, start: string, end: string, gtid: string): boolean =>
  isOf(flavour, gtid) && transactionsBetween({ from: { gtid: start }, until: { flavour, gtid: end } })(gtid);

/**
 * Whether whoever stands at `a` has everything up to a position, asked of many positions. Domains of MariaDB in which the
 * log `known` holds nothing are left out: nobody replays them.
 */
export function containing(flavour: Flavour, a: string, known: string): (b: string) => boolean {
  if (flavour === 'mysql') {
    const whole = parseMysqlGtid(a);
    return (b) => mysqlGtidContains(whole, parseMysqlGtid(b));
  }
  const [whole, domains] = [parseMariadbGtid(a), parseMariadbGtid(known)];
  return (b) => {
    const asked = new Map([...parseMariadbGtid(b)].filter(([domain]) => domains.has(domain)));
    return mariadbGtidContains(whole, asked);
  };
}

/** The same, asked once. */
export const contains = (flavour: Flavour, a: string, b: string, known: string): boolean =>
  containing(flavour, a, known)(b);
