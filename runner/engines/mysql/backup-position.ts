import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MysqlPosition } from '../../../contract/positions/position.ts';
import { canonicalGtid } from './position.ts';
import type { XbstreamFlavour } from './xbstream/events.ts';
import { parseBinlogInfo, parseInfo, parseSlaveInfo } from './xbstream/metadata.ts';

/** The tool's metadata has had two names: mariadb_backup_* from MariaDB 11.1 on. */
export function metadata(content: (path: string) => Buffer | undefined, suffix: string): string | undefined {
  return (content(`mariadb_backup_${suffix}`) ?? content(`xtrabackup_${suffix}`))?.toString('utf8');
}

/**
 * The metadata of a stream whose files the tool itself has compressed or encrypted: of checkpoints and info it leaves
 * plain copies in --extra-lsndir.
 */
export const withPlainCopies =
  (content: (path: string) => Buffer | undefined, extraLsnDir: string) =>
  (path: string): Buffer | undefined => {
    const streamed = content(path);
    if (streamed !== undefined || !/_(?:checkpoints|info)$/.test(path) || path.includes('/')) return streamed;
    try {
      return readFileSync(join(extraLsnDir, path));
    } catch {
      return undefined;
    }
  };

/**
 * The position of the data in a backup, as the tool recorded it under its lock.
 * @param applied on a replica: what it has applied; `recorded` is what the server said while its applier stood, for
 * replicas without GTIDs in use, of which the tool records the source's file only
 */
export function backupPosition(
  content: (path: string) => Buffer | undefined,
  tool: XbstreamFlavour,
  applied: boolean,
  recorded: MysqlPosition | null,
): MysqlPosition | null {
  const binlog =
    parseBinlogInfo(metadata(content, 'binlog_info') ?? '') ??
    parseInfo(metadata(content, 'info') ?? '').binlog;
  const place = binlog === undefined ? {} : { file: binlog.file, offset: binlog.position };
  const gtid = () => {
    const ofSource = parseSlaveInfo(metadata(content, 'slave_info') ?? '')?.gtid;
    // MySQL counts in one set what it applied and what it wrote; without a log of its own it is the source's.
    if (tool === 'percona') return binlog?.gtid || ofSource || recorded?.gtid || '';
    return applied ? (ofSource ?? recorded?.gtid ?? '') : (binlog?.gtid ?? '');
  };
  const found = gtid();
  if (found === '' && binlog === undefined) return null;
  const flavour = tool === 'percona' ? 'mysql' : 'mariadb';
  return { kind: 'mysql', flavour, gtid: canonicalGtid(flavour, found), ...place };
}
