import { parseMariadbGtid } from './mariadb-gtid.ts';

/** Whether a MariaDB log that goes from one position to another holds a transaction: in its domain, by sequence. */
export function mariadbBetween(from: string, until: string): (gtid: string) => boolean {
  const [start, end] = [parseMariadbGtid(from), parseMariadbGtid(until)];
  return (gtid) =>
    gtid !== '' &&
    [...parseMariadbGtid(gtid)].every(
      ([domain, { seq }]) => (start.get(domain)?.seq ?? 0n) < seq && seq <= (end.get(domain)?.seq ?? 0n),
    );
}
