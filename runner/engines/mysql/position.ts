import type { MysqlPosition } from '../../../contract/positions/position.ts';
import type { Session } from './session.ts';

/** GTIDs in one order, without spaces: servers print domains in no particular one. */
export const sortedGtids = (gtid: string) =>
  gtid
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .sort()
    .join(',');

/**
 * Whether two positions of one server are the same point of its history. False where either says nothing: without
 * GTIDs and without a binary log nothing proves that nobody wrote in between.
 */
export function samePosition(a: MysqlPosition | null, b: MysqlPosition | null): boolean {
  if (a === null || b === null) return false;
  if (sortedGtids(a.gtid) !== sortedGtids(b.gtid)) return false;
  if (a.file === undefined && b.file === undefined) return a.gtid !== '';
  return a.file === b.file && a.offset === b.offset;
}

/**
 * The position of the snapshot that this session has open (START TRANSACTION WITH CONSISTENT SNAPSHOT before it).
 * @param applied true on a replica, whose position is what it has applied; else what it has written itself
 */
export async function snapshotPosition(session: Session, applied: boolean): Promise<MysqlPosition | null> {
  const status = new Map<string, string>();
  for (const row of await session.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")) {
    status.set((row.Variable_name ?? '').toLowerCase(), row.Value ?? '');
  }
  const file = status.get('binlog_snapshot_file') ?? '';
  const offset = Number(status.get('binlog_snapshot_position') ?? 0);
  const place = file === '' ? {} : { file, offset };
  let gtid = '';
  if (applied) {
    gtid = (await session.rows('SELECT @@GLOBAL.gtid_slave_pos AS gtid'))[0]?.gtid ?? '';
  } else if (file !== '') {
    gtid = (await session.rows('SELECT BINLOG_GTID_POS(?, ?) AS gtid', [file, offset]))[0]?.gtid ?? '';
  }
  if (gtid === '' && file === '') return null;
  return { kind: 'mysql', flavour: 'mariadb', gtid: sortedGtids(gtid), ...place };
}

/** Where a member stands now, for an inspection: applied on a replica, written elsewhere. */
export async function currentPosition(session: Session, applied: boolean): Promise<MysqlPosition | null> {
  const [row] = await session.rows(
    'SELECT @@GLOBAL.gtid_slave_pos AS applied, @@GLOBAL.gtid_binlog_pos AS written',
  );
  const gtid = sortedGtids((applied ? row?.applied : row?.written) ?? '');
  return gtid === '' ? null : { kind: 'mysql', flavour: 'mariadb', gtid };
}
