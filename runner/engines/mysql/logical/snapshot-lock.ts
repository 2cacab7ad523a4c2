import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Policy } from '../../../../contract/records/policy.ts';
import { makeLockBudget } from '../lock-budget.ts';
import type { Login } from '../login.ts';
import { openSession } from '../session.ts';

/** Server errors of a wait that took too long, and of a session that was killed. */
const waited = new Set([1205, 1317, 3024]);

/**
 * Holds commits and DDL still while `open` lets all readers open their snapshots, so that all of them and the position
 * are one moment. On MariaDB by the stages that mariadb-backup uses, which wait for no running SELECT; on MySQL by
 * FLUSH TABLES WITH READ LOCK. A session of the runner's own, whose wait and hold are bounded by the policy's budget:
 * over it the session is killed, and everybody goes on (M06, M21).
 * @returns what `open` answered, and seconds for which commits stood
 */
export async function withSnapshotLock<T>(
  login: Login,
  flavour: 'mariadb' | 'mysql',
  policy: Pick<Policy, 'lockBudgetSeconds' | 'ddlLockBudgetSeconds'>,
  signal: AbortSignal,
  open: () => Promise<T>,
): Promise<{ value: T; lockSeconds: number }> {
  const over = new AbortController();
  const budget = makeLockBudget(
    { commitSeconds: policy.lockBudgetSeconds, ddlSeconds: policy.ddlLockBudgetSeconds },
    (error) => over.abort(error),
  );
  const session = await openSession(login, AbortSignal.any([signal, over.signal]));
  const asked = (error: unknown): unknown => {
    const { errno = 0, message } = error as { errno?: number; message: string };
    if (!waited.has(errno)) return error;
    return new NamedError(
      'Backup.LockBudget',
      `the lock for the snapshot was not to be had within ${policy.lockBudgetSeconds} s, the policy's lockBudgetSeconds: ${message}`,
      { field: 'lockBudgetSeconds', value: policy.lockBudgetSeconds },
    );
  };
  try {
    // The server gives up waiting by itself, so that nobody queues behind a request that is never met.
    await session.run(`SET SESSION lock_wait_timeout=${policy.lockBudgetSeconds}`);
    if (flavour === 'mariadb') {
      await session.run('BACKUP STAGE START');
      budget.enter('ddl');
      await session.run('BACKUP STAGE FLUSH');
      await session.run('BACKUP STAGE BLOCK_DDL', [], policy.lockBudgetSeconds + 5);
      budget.enter('commit');
      await session.run('BACKUP STAGE BLOCK_COMMIT', [], policy.lockBudgetSeconds + 5);
    } else {
      budget.enter('commit');
      await session.run('FLUSH TABLES WITH READ LOCK', [], policy.lockBudgetSeconds + 5);
    }
    const value = await open();
    over.signal.throwIfAborted();
    await session.run(flavour === 'mariadb' ? 'BACKUP STAGE END' : 'UNLOCK TABLES');
    budget.end();
    return { value, lockSeconds: budget.seconds().commit };
  } catch (error) {
    over.signal.throwIfAborted();
    signal.throwIfAborted();
    throw asked(error);
  } finally {
    budget.end();
    await session.close();
  }
}
