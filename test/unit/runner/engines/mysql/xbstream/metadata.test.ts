import { describe, expect, it } from 'vitest';
import {
  parseBinlogInfo,
  parseCheckpoints,
  parseInfo,
  parseSlaveInfo,
} from '../../../../../../runner/engines/mysql/xbstream/metadata.ts';

const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const other = '4e11fa47-71ca-11e1-9e33-c80aa9429562';

describe('metadata of a backup', () => {
  it('reads checkpoints of XtraBackup 8.4 without losing digits of an LSN', () => {
    const text =
      'backup_type = incremental\nfrom_lsn = 18446744073709551613\nto_lsn = 18446744073709551614\n' +
      'last_lsn = 18446744073709551615\nflushed_lsn = 0\nredo_memory = 0\nredo_frames = 0\n';
    expect(parseCheckpoints(text)).toMatchObject({
      backupType: 'incremental',
      fromLsn: '18446744073709551613',
      lastLsn: '18446744073709551615',
      fields: { redo_frames: '0' },
    });
  });

  it('does not take half a file of checkpoints for one', () => {
    expect(parseCheckpoints('backup_type = full-backuped\nfrom_lsn = 0\nto_l')).toBeUndefined();
    expect(parseCheckpoints('')).toBeUndefined();
  });

  it('joins a GTID set of several servers that info breaks over lines', () => {
    const info = parseInfo(
      `tool_name = xtrabackup\nbinlog_pos = filename 'b.000002', position '197', GTID of the last change '${uuid}:1-5,\n` +
        `${other}:1-9'\npartial = N\nincremental = Y\nlock_time = 3\n`,
    );
    expect(info).toMatchObject({
      toolName: 'xtrabackup',
      binlog: { file: 'b.000002', position: 197, gtid: `${uuid}:1-5,${other}:1-9` },
      partial: false,
      incremental: true,
      serverVersion: undefined,
    });
  });

  it.each([
    ['bin.000001\t5158\t0-77-15\n', { file: 'bin.000001', position: 5158, gtid: '0-77-15' }],
    ['bin.000001\t5158\n', { file: 'bin.000001', position: 5158, gtid: '' }],
    [`b.1\t4\t${uuid}:1-5,\n${other}:1\n`, { file: 'b.1', position: 4, gtid: `${uuid}:1-5,${other}:1` }],
    ['', undefined],
    ['bin.000001\n', undefined],
  ])('reads the binary log position %j', (text, position) => {
    expect(parseBinlogInfo(text)).toEqual(position);
  });

  it.each([
    [
      "SET GLOBAL gtid_slave_pos = '0-13981-3';\nCHANGE MASTER TO master_use_gtid = slave_pos;\n",
      { gtid: '0-13981-3' },
    ],
    [
      "CHANGE MASTER TO MASTER_LOG_FILE='m.000003', MASTER_LOG_POS=342;\n",
      { file: 'm.000003', position: 342 },
    ],
    [
      `SET GLOBAL gtid_purged='${uuid}:1-5,\n${other}:1';\nCHANGE REPLICATION SOURCE TO SOURCE_AUTO_POSITION=1;\n`,
      { gtid: `${uuid}:1-5,${other}:1` },
    ],
    [
      "CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='m.1', SOURCE_LOG_POS=4 FOR CHANNEL 'c';",
      { file: 'm.1', position: 4 },
    ],
    ['', undefined],
  ])('reads the position of the source from %j', (text, position) => {
    expect(parseSlaveInfo(text)).toEqual(position);
  });
});
