import { describe, expect, it } from 'vitest';
import {
  firstWorkerError,
  judgeRelay,
  relayState,
  workerError,
} from '../../../../../../runner/engines/mysql/replay/relay-applier.ts';

const uuid = '35c6869c-e91d-11f1-a937-02fc00000001';
const waiting = 'Replica has read all relay log; waiting for more updates';
const status = {
  Replica_SQL_Running: 'Yes',
  Replica_SQL_Running_State: 'Reading event from the relay log',
  Executed_Gtid_Set: `${uuid}:1-5`,
  Relay_Log_File: 'relay-holdfast.000001',
  Relay_Log_Pos: '1000',
  Last_SQL_Errno: '0',
  Last_SQL_Error: '',
};
const quiet = { number: '0', message: '', gtid: '', busy: '' };
const stateOf = (changes: Record<string, string> = {}, threads = [quiet]) =>
  relayState({ ...status, ...changes }, threads, '1 2');
const judge = (state: ReturnType<typeof stateOf>, there = false, still = 0) =>
  judgeRelay(state, there, still, 60);

describe('the watch over an applier of relay logs', () => {
  it('lets it work while something moves, and calls it stalled once nothing has for as long as the policy allows', () => {
    expect(judge(stateOf(), false, 59)).toBe('working');
    expect(judge(stateOf(), false, 60)).toBe('stalled');
    expect(relayState(status, [quiet], '1 3').moved).not.toBe(stateOf().moved);
    expect(stateOf({ Relay_Log_Pos: '1001' }).moved).not.toBe(stateOf().moved);
  });

  it('has arrived where all that is wanted is applied and nobody has anything left to do', () => {
    const idle = { Replica_SQL_Running_State: waiting };
    expect(judge(stateOf(idle), true)).toBe('arrived');
    expect(judge(stateOf(), true)).toBe('working');
    expect(judge(stateOf(idle, [{ ...quiet, busy: `${uuid}:6` }]), true)).toBe('working');
    // As 8.0 before .26 says it.
    expect(judge(stateOf({ Replica_SQL_Running_State: waiting.replace('Replica', 'Slave') }), true)).toBe(
      'arrived',
    );
  });

  it('has missed its point only where it rests elsewhere: a worker may take its work between two looks', () => {
    const idle = stateOf({ Replica_SQL_Running_State: waiting });
    expect(judge(idle, false, 1)).toBe('working');
    expect(judge(idle, false, 3)).toBe('missed');
    expect(
      judge(stateOf({ Replica_SQL_Running_State: waiting }, [{ ...quiet, busy: `${uuid}:6` }]), false, 3),
    ).toBe('working');
  });

  it('tells an error from an end without one', () => {
    expect(judge(stateOf({ Replica_SQL_Running: 'No' }))).toBe('ended');
    expect(judge(stateOf({ Replica_SQL_Running: 'No', Last_SQL_Errno: '1032', Last_SQL_Error: 'x' }))).toBe(
      'apply-failed',
    );
    expect(judge(stateOf({}, [{ ...quiet, number: '1032' }]), true)).toBe('apply-failed');
  });
});

describe('what a worker says', () => {
  const row = (number: string, message: string, gtid = '') => workerError({ number, message, gtid })!;
  const failed = (gtid: string, rest: string) =>
    `Worker 2 failed executing transaction '${gtid}' at source log binlog.000002, end_log_pos 437; ${rest}`;

  it('names transaction, also a tagged one, table and error', () => {
    const message = failed(
      `${uuid}:7`,
      "Could not execute Delete_rows event on table shop.kept; Can't find record in 'kept', Error_code: 1032; handler error HA_ERR_KEY_NOT_FOUND; the event's source log FIRST, end_log_pos 437",
    );
    expect(row('1032', message)).toMatchObject({ errno: 1032, gtid: `${uuid}:7`, table: 'shop.kept' });
    expect(row('1032', failed(`${uuid}:nightly:7`, 'x')).gtid).toBe(`${uuid}:nightly:7`);
    expect(row('1032', 'x', `${uuid}:8`).gtid).toBe(`${uuid}:8`);
    expect(row('1032', 'x', 'ANONYMOUS').gtid).toBeUndefined();
    expect(workerError({ number: '0', message: '', gtid: `${uuid}:8` })).toBeUndefined();
  });

  it('says nothing of the statement, whose values are nobody`s business', () => {
    const message = failed(
      `${uuid}:7`,
      "Error 'Operation CREATE USER failed for 'x'@'localhost'' on query. Default database: ''. Query: 'CREATE USER x@localhost IDENTIFIED BY 'secret-word''",
    );
    expect(row('1396', message).message).not.toMatch(/secret-word|IDENTIFIED/);
    expect(row('1396', message).message).toContain('CREATE USER failed');
  });

  it('passes over what only follows from the error of another', () => {
    const coordinator = `Coordinator stopped because there were error(s) in the worker(s). The most recent failure being: ${failed(`${uuid}:7`, 'See error log')}`;
    const errors = [
      row('1062', coordinator),
      row('1756', 'The replica coordinator and worker threads are stopped'),
      row('3030', 'another'),
      row('1062', 'first'),
    ];
    expect(firstWorkerError(errors)).toMatchObject({ errno: 1062, message: 'first' });
    expect(firstWorkerError(errors.slice(0, 1))).toMatchObject({ errno: 1062, gtid: `${uuid}:7` });
    expect(firstWorkerError([])).toBeUndefined();
  });
});
