/**
 * xtrabackup_checkpoints. LSNs as decimal strings: they have 64 bits. `recoverBinlogInfo` and others that only some
 * versions write are in `fields`.
 */
export type Checkpoints = {
  backupType: string;
  fromLsn: string;
  toLsn: string;
  lastLsn: string;
  fields: Record<string, string>;
};

/** A binary log position; `gtid` is empty where the server has none. MySQL's sets are given without line breaks. */
export type BinlogPosition = { file: string; position: number; gtid: string };

/**
 * xtrabackup_info. Absent fields are undefined; `lock_time` is left in `fields`, because mariadb-backup 10.11 writes
 * the time of day there in place of a duration.
 */
export type BackupInfo = {
  toolName: string | undefined;
  toolVersion: string | undefined;
  serverVersion: string | undefined;
  startTime: string | undefined;
  endTime: string | undefined;
  binlog: BinlogPosition | undefined;
  fromLsn: string | undefined;
  toLsn: string | undefined;
  partial: boolean | undefined;
  incremental: boolean | undefined;
  fields: Record<string, string>;
};

/** xtrabackup_slave_info: where the source of this replica stood. Read, never executed. */
export type SourcePosition = { gtid?: string; file?: string; position?: number };

/** `key = value` lines; a line without ` = ` continues the value before it (GTID sets of several servers). */
function fieldsOf(text: string): Record<string, string> {
  const fields: Record<string, string> = {};
  let last = '';
  for (const line of text.split('\n')) {
    const parts = /^([a-z_]+) ?= ?(.*)$/.exec(line.trimEnd());
    if (parts?.[1] !== undefined) {
      last = parts[1];
      fields[last] = parts[2] ?? '';
    } else if (last !== '' && line.trim() !== '') {
      fields[last] += line.trim();
    }
  }
  return fields;
}

/** Reads xtrabackup_checkpoints or mariadb_backup_checkpoints; undefined if it has not all three LSNs and a type. */
export function parseCheckpoints(text: string): Checkpoints | undefined {
  const fields = fieldsOf(text);
  const { backup_type: backupType, from_lsn: fromLsn, to_lsn: toLsn, last_lsn: lastLsn } = fields;
  if (!backupType || ![fromLsn, toLsn, lastLsn].every((lsn) => /^\d+$/.test(lsn ?? ''))) return undefined;
  return { backupType, fromLsn: fromLsn!, toLsn: toLsn!, lastLsn: lastLsn!, fields };
}

/** Reads xtrabackup_info or mariadb_backup_info of any version; what is not there is undefined. */
export function parseInfo(text: string): BackupInfo {
  const fields = fieldsOf(text);
  const yes = (value: string | undefined) => (value === undefined ? undefined : value === 'Y');
  return {
    toolName: fields.tool_name,
    toolVersion: fields.tool_version,
    serverVersion: fields.server_version,
    startTime: fields.start_time,
    endTime: fields.end_time,
    binlog: binlogOfInfo(fields.binlog_pos ?? ''),
    fromLsn: fields.innodb_from_lsn,
    toLsn: fields.innodb_to_lsn,
    partial: yes(fields.partial),
    incremental: yes(fields.incremental),
    fields,
  };
}

function binlogOfInfo(text: string): BinlogPosition | undefined {
  const parts = /filename '([^']*)', position '(\d+)'(?:, GTID of the last change '([^']*)')?/.exec(text);
  if (parts?.[1] === undefined) return undefined;
  return { file: parts[1], position: Number(parts[2]), gtid: withoutSpace(parts[3] ?? '') };
}

/** Reads xtrabackup_binlog_info (`file TAB position TAB gtid`); undefined if file or position is not there. */
export function parseBinlogInfo(text: string): BinlogPosition | undefined {
  const [file = '', position = '', ...gtid] = text.split('\t');
  if (file === '' || !/^\d+\s*$/.test(position)) return undefined;
  return { file: file.trim(), position: Number(position), gtid: withoutSpace(gtid.join('')) };
}

/**
 * Reads xtrabackup_slave_info: the GTID set of `gtid_slave_pos` or `gtid_purged`, and the file and position of
 * CHANGE MASTER or CHANGE REPLICATION SOURCE. Statements of several channels give the first; undefined if nothing fits.
 */
export function parseSlaveInfo(text: string): SourcePosition | undefined {
  const gtid = /gtid_(?:slave_pos|purged)\s*=\s*'([^']*)'/i.exec(text)?.[1];
  const file = /(?:MASTER|SOURCE)_LOG_FILE\s*=\s*'([^']*)'/i.exec(text)?.[1];
  const position = /(?:MASTER|SOURCE)_LOG_POS\s*=\s*(\d+)/i.exec(text)?.[1];
  if (gtid === undefined && file === undefined) return undefined;
  return {
    ...(gtid === undefined ? {} : { gtid: withoutSpace(gtid) }),
    ...(file === undefined ? {} : { file }),
    ...(position === undefined ? {} : { position: Number(position) }),
  };
}

const withoutSpace = (text: string) => text.replace(/\s+/g, '');
