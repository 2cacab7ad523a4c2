import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import { canonicalGtid } from '../position.ts';
import type { DumpMetadata } from './metadata.ts';

/**
 * The position of a dump's data. What a MySQL server has executed is one set, whoever wrote it first; a replica of
 * MariaDB tells what it has applied apart from its own log, and mydumper 1.x says nothing of it (it would have to stop
 * and start the applier itself).
 * @param before of such a replica: what it had applied just before the tool's snapshots were opened, which must be
 * what it has applied after
 * @returns null where neither says anything
 */
export function dumpPosition(
  { written, applied }: Pick<DumpMetadata, 'written' | 'applied'>,
  flavour: 'mariadb' | 'mysql',
  replica: boolean,
  before: MysqlPosition | null,
): MysqlPosition | null {
  const place = written === undefined ? {} : { file: written.file, offset: written.offset };
  const apart = replica && flavour === 'mariadb';
  const gtid = (apart ? (applied[0] ?? before)?.gtid : written?.gtid) ?? '';
  if (gtid === '' && written === undefined) return null;
  return { kind: 'mysql', flavour, gtid: canonicalGtid(flavour, gtid), ...place };
}
