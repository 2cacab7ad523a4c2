import type { MysqlPosition } from '../../../contract/positions/position.ts';
import { sortedGtids } from './position.ts';
import { parseBinlogInfo, parseSlaveInfo } from './xbstream/metadata.ts';

/** The tool's metadata has had two names: mariadb_backup_* from MariaDB 11.1 on. */
export function metadata(content: (path: string) => Buffer | undefined, suffix: string): string | undefined {
  return (content(`mariadb_backup_${suffix}`) ?? content(`xtrabackup_${suffix}`))?.toString('utf8');
}

/**
 * The position of the data in a backup, as the tool recorded it under its lock.
 * @param applied on a replica: what it has applied; `recorded` is what the server said while its applier stood, for
 * replicas without GTIDs in use, of which the tool records the source's file only
 */
export function backupPosition(
  content: (path: string) => Buffer | undefined,
  applied: boolean,
  recorded: MysqlPosition | null,
): MysqlPosition | null {
  const binlog = parseBinlogInfo(metadata(content, 'binlog_info') ?? '');
  const place = binlog === undefined ? {} : { file: binlog.file, offset: binlog.position };
  let gtid = binlog?.gtid ?? '';
  if (applied) gtid = parseSlaveInfo(metadata(content, 'slave_info') ?? '')?.gtid ?? recorded?.gtid ?? '';
  if (gtid === '' && binlog === undefined) return null;
  return { kind: 'mysql', flavour: 'mariadb', gtid: sortedGtids(gtid), ...place };
}
