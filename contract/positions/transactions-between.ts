import { parseMariadbGtid } from './mariadb-gtid.ts';
import { mysqlGtidHas, parseMysqlGtid } from './mysql-gtid.ts';
import type { MysqlPosition } from './position.ts';

type Ends = { from: Pick<MysqlPosition, 'gtid'>; until: Pick<MysqlPosition, 'flavour' | 'gtid'> };

/**
 * Whether a log that goes from one position to another holds a transaction: of MariaDB in its domain, by sequence; of
 * MySQL by the sets.
 */
export function transactionsBetween({ from, until }: Ends): (gtid: string) => boolean {
  if (until.flavour === 'mysql') {
    const [start, end] = [parseMysqlGtid(from.gtid), parseMysqlGtid(until.gtid)];
    return (gtid) => gtid !== '' && mysqlGtidHas(end, gtid) && !mysqlGtidHas(start, gtid);
  }
  const [start, end] = [parseMariadbGtid(from.gtid), parseMariadbGtid(until.gtid)];
  return (gtid) =>
    gtid !== '' &&
    [...parseMariadbGtid(gtid)].every(
      ([domain, { seq }]) => (start.get(domain)?.seq ?? 0n) < seq && seq <= (end.get(domain)?.seq ?? 0n),
    );
}
