import { describe, expect, it } from 'vitest';
import {
  applierErrorIn,
  firstError,
  withoutStatement,
} from '../../../../../../runner/engines/mysql/replay/applier-error.ts';

const rowError =
  "2026-11-25 19:02:11 9 [ERROR] Slave SQL: Could not execute Update_rows_v1 event on table shop.kept; Can't find record in 'kept', Error_code: 1032; handler error HA_ERR_KEY_NOT_FOUND; the event's master log archive.000002, end_log_pos 1107, Gtid 0-101-530, Internal MariaDB error code: 1032";
const statementError =
  "2026-11-25 19:02:11 9 [ERROR] Slave SQL: Error 'Operation CREATE USER failed' on query. Default database: 'shop'. Query: 'CREATE USER x@localhost IDENTIFIED BY 'a, Gtid b'', Gtid 7-3-9, Internal MariaDB error code: 1396";

describe('what a server says about a transaction it could not apply', () => {
  it('names error, transaction and table', () => {
    expect(applierErrorIn(rowError)).toMatchObject({ errno: 1032, gtid: '0-101-530', table: 'shop.kept' });
    expect(applierErrorIn(statementError)).toMatchObject({ errno: 1396, gtid: '7-3-9', table: undefined });
    expect(applierErrorIn('2026-11-25 19:02:11 9 [Note] Slave SQL thread exiting')).toBeUndefined();
  });

  it('is told without the statement, in which passwords and customers stand', () => {
    expect(applierErrorIn(statementError)?.message).toBe(
      "Error 'Operation CREATE USER failed' on query. Default database: 'shop'. Query: '…'",
    );
    expect(withoutStatement("x Query: 'INSERT INTO t VALUES ('secret'")).not.toContain('secret');
    expect(withoutStatement(rowError)).toBe(rowError);
  });

  it('takes the error of the transaction itself before those of the workers that gave up after it', () => {
    const [first, prior] = [applierErrorIn(rowError)!, { ...applierErrorIn(rowError)!, errno: 1964 }];
    const status = { errno: 1964, message: 'Commit failed due to failure of an earlier commit' };
    expect(firstError([prior, first], status)).toBe(first);
    expect(firstError([prior], status)).toBe(prior);
    expect(firstError([], status)).toMatchObject({ errno: 1964, gtid: undefined });
  });
});
