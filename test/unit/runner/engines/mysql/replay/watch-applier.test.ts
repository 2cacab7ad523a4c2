import { describe, expect, it } from 'vitest';
import { applierState, judgeApplier } from '../../../../../../runner/engines/mysql/replay/watch-applier.ts';

const row = {
  Slave_IO_Running: 'Yes',
  Slave_SQL_Running: 'Yes',
  Last_IO_Errno: '0',
  Last_SQL_Errno: '0',
  Gtid_Slave_Pos: '0-1-5',
  Relay_Master_Log_File: 'archive.000001',
  Exec_Master_Log_Pos: '1000',
};
const judge = (changes: Record<string, string>, stillSeconds = 0) =>
  judgeApplier(applierState({ ...row, ...changes }, '1 2 3'), stillSeconds, 60);

describe('the watch over an applier', () => {
  it('lets it work while something moves, and calls it stalled once nothing has for as long as the policy allows', () => {
    expect(judge({}, 59)).toBe('working');
    expect(judge({}, 60)).toBe('stalled');
  });

  it('waits on for a source that is connected to again, and not for one that refuses', () => {
    expect(judge({ Slave_IO_Running: 'Connecting', Last_IO_Errno: '2003' })).toBe('working');
    expect(judge({ Slave_IO_Running: 'No', Last_IO_Errno: '1236' })).toBe('receive-failed');
    expect(judge({ Slave_IO_Running: 'No' })).toBe('working');
  });

  it('tells an error from an end', () => {
    expect(judge({ Slave_SQL_Running: 'No' })).toBe('ended');
    expect(judge({ Slave_SQL_Running: 'No', Last_SQL_Errno: '1032' })).toBe('apply-failed');
  });

  it('sees movement in the position as in the counters of a long statement', () => {
    const moved = (changes: Record<string, string>, counters: string) =>
      applierState({ ...row, ...changes }, counters).moved;
    expect(moved({}, '1 2 3')).toBe(moved({}, '1 2 3'));
    expect(moved({}, '1 2 4')).not.toBe(moved({}, '1 2 3'));
    expect(moved({ Exec_Master_Log_Pos: '1001' }, '1 2 3')).not.toBe(moved({}, '1 2 3'));
  });
});
