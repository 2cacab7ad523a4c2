import { describe, expect, it } from 'vitest';
import { canonicalGtid, samePosition } from '../../../../../runner/engines/mysql/position.ts';
import { mysqlChannel, positionOfLogStatus } from '../../../../../runner/engines/mysql/words/mysql.ts';
import { wordsOf } from '../../../../../runner/engines/mysql/words/words.ts';

const uuid = 'd8f3f2b4-e903-11f1-98ee-02fc00000001';

describe('the words of a server', () => {
  it('are those of its family, whatever its distribution adds to its version', () => {
    expect(wordsOf('10.11.19-MariaDB-0+deb12u1-log')).toMatchObject({
      family: 'mariadb',
      version: '10.11.19',
    });
    expect(wordsOf('8.0.42-0ubuntu0.24.04.2')).toMatchObject({ family: 'mysql', version: '8.0.42' });
    expect(wordsOf('8.4.6-6')).toMatchObject({ family: 'mysql', version: '8.4.6' });
  });

  it('quote the name of a channel', () => {
    expect(wordsOf('8.4.7').channels.stopApplier("a'b\\")).toBe(
      "STOP REPLICA SQL_THREAD FOR CHANNEL 'a''b\\\\'",
    );
    expect(wordsOf('11.8.9-MariaDB').channels.startApplier("a'b")).toBe("START SLAVE 'a''b' SQL_THREAD");
  });

  it('say how large the redo is, before 8.0.30 by its files', () => {
    const { redoBytes } = wordsOf('8.0.42');
    expect(redoBytes({ innodb_redo_log_capacity: '104857600', innodb_log_file_size: '1' })).toBe(104857600);
    expect(redoBytes({ innodb_log_file_size: '50331648', innodb_log_files_in_group: '2' })).toBe(100663296);
    expect(redoBytes({})).toBeUndefined();
  });
});

describe('a channel of MySQL', () => {
  it('is read from SHOW REPLICA STATUS; one that is connecting does not receive', () => {
    expect(
      mysqlChannel({
        Channel_Name: 'eu',
        Replica_IO_Running: 'Connecting',
        Replica_SQL_Running: 'Yes',
        Seconds_Behind_Source: null,
        SQL_Delay: '30',
        Replicate_Do_DB: 'shop',
        Last_IO_Error: 'no route',
        Last_SQL_Error: '',
      }),
    ).toEqual({
      name: 'eu',
      receiving: false,
      applying: true,
      lagSeconds: null,
      delaySeconds: 30,
      filters: ['Replicate_Do_DB=shop'],
      error: 'no route',
    });
  });
});

describe('a position of MySQL', () => {
  it('is one reading of set, file and offset', () => {
    const json = JSON.stringify({
      gtid_executed: `${uuid.toUpperCase()}:1-4,\n0${uuid.slice(1)}:7`,
      binary_log_file: 'binlog.000002',
      binary_log_position: 1409,
    });
    expect(positionOfLogStatus(json)).toEqual({
      kind: 'mysql',
      flavour: 'mysql',
      gtid: `0${uuid.slice(1)}:7,${uuid}:1-4`,
      file: 'binlog.000002',
      offset: 1409,
    });
    expect(positionOfLogStatus('{}')).toBeNull();
  });

  it('is the same when the set is, however it is written and wherever the log was rotated to', () => {
    const at = (gtid: string, file?: string) => ({
      kind: 'mysql' as const,
      flavour: 'mysql' as const,
      gtid,
      ...(file === undefined ? {} : { file, offset: 4 }),
    });
    expect(samePosition(at(`${uuid}:1-3:4`, 'b.1'), at(`${uuid}:1-4`, 'b.2'))).toBe(true);
    expect(samePosition(at(`${uuid}:1-3`), at(`${uuid}:1-4`))).toBe(false);
    expect(samePosition(at('', 'b.1'), at('', 'b.2'))).toBe(false);
    expect(samePosition(at('', 'b.1'), at('', 'b.1'))).toBe(true);
    expect(canonicalGtid('mysql', `${uuid}:1-3:4`)).toBe(`${uuid}:1-4`);
    expect(canonicalGtid('mariadb', '1-1-5, 0-1-2')).toBe('0-1-2,1-1-5');
  });
});
