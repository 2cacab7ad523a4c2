import type { Row } from '../session.ts';
import { innodbCounters } from './relay-applier.ts';

/** Where an applier stands, as `SHOW ALL SLAVES STATUS` says. */
export type ApplierState = {
  applying: boolean;
  receiving: 'yes' | 'no' | 'connecting';
  receiveError: { errno: number; message: string };
  applyError: { errno: number; message: string };
  gtid: string;
  /** File and offset of the last applied event, as its source names them. */
  file: string;
  offset: number;
  /** Another text each time something has moved. */
  moved: string;
};

/** Counters that rise while one long statement is applied and that reading the status does not raise. */
export const workCounters = [
  'Handler_delete',
  'Handler_read_key',
  'Handler_read_next',
  'Handler_update',
  'Handler_write',
  ...innodbCounters,
];

/** @param counters values of `workCounters` in any order, as one text */
export function applierState(row: Row, counters: string): ApplierState {
  const receiving = row.Slave_IO_Running ?? 'No';
  const gtid = row.Gtid_Slave_Pos ?? '';
  const file = row.Relay_Master_Log_File ?? '';
  const offset = Number(row.Exec_Master_Log_Pos ?? 0);
  return {
    applying: row.Slave_SQL_Running === 'Yes',
    receiving: receiving === 'Yes' ? 'yes' : receiving === 'No' ? 'no' : 'connecting',
    receiveError: { errno: Number(row.Last_IO_Errno ?? 0), message: row.Last_IO_Error ?? '' },
    applyError: { errno: Number(row.Last_SQL_Errno ?? 0), message: row.Last_SQL_Error ?? '' },
    gtid,
    file,
    offset,
    moved: [gtid, file, offset, row.Read_Master_Log_Pos, row.Relay_Log_Space, counters].join(' '),
  };
}

export type ApplierVerdict = 'working' | 'ended' | 'apply-failed' | 'receive-failed' | 'stalled';

/** What the state means. `stillSeconds` is for how long nothing has moved. */
export function judgeApplier(
  state: ApplierState,
  stillSeconds: number,
  stallSeconds: number,
): ApplierVerdict {
  if (state.applyError.errno !== 0) return 'apply-failed';
  if (!state.applying) return 'ended';
  // A source that has sent everything ends without an error; one that cannot be reached is tried again.
  if (state.receiving === 'no' && state.receiveError.errno !== 0) return 'receive-failed';
  return stillSeconds >= stallSeconds ? 'stalled' : 'working';
}
