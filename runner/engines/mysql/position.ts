import { formatMysqlGtid, parseMysqlGtid } from '../../../contract/positions/mysql-gtid.ts';
import type { MysqlPosition } from '../../../contract/positions/position.ts';

/** GTIDs in one order, without spaces: servers print domains in no particular one. */
export const sortedGtids = (gtid: string) =>
  gtid
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .sort()
    .join(',');

/** The GTIDs of a server in one writing: equal sets are equal text. */
export const canonicalGtid = (flavour: MysqlPosition['flavour'], gtid: string): string =>
  flavour === 'mysql' ? formatMysqlGtid(parseMysqlGtid(gtid)) : sortedGtids(gtid);

/**
 * Whether two positions of one server are the same point of its history. False where either says nothing: without
 * GTIDs and without a binary log nothing proves that nobody wrote in between.
 */
export function samePosition(a: MysqlPosition | null, b: MysqlPosition | null): boolean {
  if (a === null || b === null) return false;
  if (a.flavour !== b.flavour) return false;
  if (canonicalGtid(a.flavour, a.gtid) !== canonicalGtid(b.flavour, b.gtid)) return false;
  // One set says it all in MySQL; its files are changed by everyone who rotates logs.
  if (a.flavour === 'mysql' && a.gtid !== '') return true;
  if (a.file === undefined && b.file === undefined) return a.gtid !== '';
  return a.file === b.file && a.offset === b.offset;
}
