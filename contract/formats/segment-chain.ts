import { mariadbGtidContains, parseMariadbGtid } from '../positions/mariadb-gtid.ts';
import { mysqlGtidContains, parseMysqlGtid } from '../positions/mysql-gtid.ts';
import type { ArchiveEnd } from '../records/agent.ts';
import type { SegmentHeader } from './segment.ts';

/** Whether whoever stands at `a` has everything of `b`, by the arithmetic of the flavour's GTIDs. */
export const gtidContains = (flavour: 'mariadb' | 'mysql', a: string, b: string): boolean =>
  flavour === 'mariadb'
    ? mariadbGtidContains(parseMariadbGtid(a), parseMariadbGtid(b))
    : mysqlGtidContains(parseMysqlGtid(a), parseMysqlGtid(b));

/** Whether a server gives this name to the file that it begins when it ends the other one. */
export function followsInName(before: string, next: string): boolean {
  const [one, other] = [before, next].map((name) => /^(.*)\.(\d+)$/.exec(name));
  return !!one && !!other && one[1] === other[1] && Number(other[2]) === Number(one[2]) + 1;
}

/**
 * Why a segment does not continue the archive that ends at `before`; undefined where it does. Continuity is that of
 * bytes within one file, and of what a file's head says about the files before it; never a count.
 */
export function brokenLink(before: ArchiveEnd, header: SegmentHeader): string | undefined {
  const { previous, log, server, start } = header;
  if (previous?.key !== before.key || previous.crc !== before.crc)
    return 'it names another segment before it';
  if (header.seq !== before.seq + 1) return `its number is ${header.seq}, ${before.seq + 1} would be next`;
  if (header.epoch < before.epoch) return `its epoch ${header.epoch} is older than ${before.epoch}`;
  const sameServer = server.uuid === before.serverUuid;
  if (header.anonymous !== before.anonymous) return 'gtid_mode was changed before it';
  if (sameServer && log.file === before.log.file) {
    if (log.from !== before.log.to)
      return `it begins at ${log.from}, the one before ends at ${before.log.to}`;
    const [opened, goesOn] = [before.openAfter, header.openBefore];
    return opened?.gtid === goesOn?.gtid && opened?.at === goesOn?.at
      ? undefined
      : 'the transaction that was open before it is not the one that it goes on with';
  }
  if (before.openAfter !== null || header.openBefore !== null) return 'a transaction was left in its middle';
  if (header.anonymous && !(sameServer && followsInName(before.log.file, log.file))) {
    return `without GTIDs nothing says that ${log.file} follows ${before.log.file}`;
  }
  if (sameServer) {
    if (log.from !== 0) return `it enters ${log.file} at ${log.from}`;
    return start.gtid === before.end.gtid
      ? undefined
      : `${log.file} begins at ${start.gtid || 'nothing'}, the log before it ends at ${before.end.gtid || 'nothing'}`;
  }
  if (log.from !== 0 && log.head === undefined) return 'it enters a file without its head';
  if (start.flavour !== before.end.flavour) return `it is of ${start.flavour}`;
  return gtidContains(start.flavour, before.end.gtid, start.gtid)
    ? undefined
    : `it begins at ${start.gtid}, which is not in ${before.end.gtid || 'nothing'}`;
}
