import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Log } from '../engine.ts';
import type { Login } from './login.ts';
import { openSession, type Session } from './session.ts';

/** The sessions of tools of ours are of our account and younger than the one that was open before the tool started. */
export type ToolSessions = { user: string; after: number };

/**
 * A session that waits for a lock looks every second whether its client is still there (seen in 10.11); KILL does not
 * wait for that. Backups of others are left alone.
 */
async function killBackupSessions(session: Session, { user, after }: ToolSessions, log: Log): Promise<void> {
  const waiting = await session.rows(
    `SELECT ID AS id FROM information_schema.PROCESSLIST
     WHERE ID <> CONNECTION_ID() AND ID > ? AND USER = ? AND INFO LIKE 'BACKUP STAGE%'`,
    [after, user],
  );
  for (const { id } of waiting) {
    log('killing the session of the ended tool', { session: id ?? '' });
    await session.run(`KILL ${Number(id)}`).catch(() => {});
  }
}

/**
 * Whether nobody of ours holds or awaits a lock of backups. Of MariaDB's first stage only one session can have one, so it
 * is taken and given back. MySQL's are shared: each is listed with its session, which is killed. Says what is in the way.
 */
async function locksInTheWay(session: Session, tools: ToolSessions, log: Log): Promise<string | undefined> {
  if (session.words.family === 'mariadb') {
    await session.run('SET SESSION lock_wait_timeout=1');
    try {
      await session.run('BACKUP STAGE START');
      await session.run('BACKUP STAGE END');
      return undefined;
    } catch (error) {
      await killBackupSessions(session, tools, log);
      return `${(error as Error).message}: look for BACKUP STAGE in the processlist`;
    }
  }
  // LOCK INSTANCE FOR BACKUP, LOCK TABLES FOR BACKUP and the global read lock; statements have intention locks only.
  const held = await session.rows(
    `SELECT DISTINCT T.PROCESSLIST_ID AS id, M.OBJECT_TYPE AS what FROM performance_schema.metadata_locks M
     JOIN performance_schema.threads T ON T.THREAD_ID = M.OWNER_THREAD_ID
     WHERE M.LOCK_TYPE = 'SHARED' AND M.OBJECT_SCHEMA IS NULL AND T.PROCESSLIST_ID <> CONNECTION_ID()
     AND T.PROCESSLIST_ID > ? AND T.PROCESSLIST_USER = ?`,
    [tools.after, tools.user],
  );
  if (held.length === 0) return undefined;
  for (const { id } of held) {
    log('killing the session of the ended tool', { session: id ?? '' });
    await session.run(`KILL ${Number(id)}`).catch(() => {});
  }
  return `${held.map(({ id, what }) => `${what} of session ${id}`).join(', ')}: look into performance_schema.metadata_locks`;
}

/**
 * Proves that no backup lock is left on the server (F15). Until it is so, sessions of the tool are killed.
 * Never cut short by a cancel: it is what makes cancelling safe. A server that is down holds no lock.
 * @param since session of ours that was open before the tool's
 * @param ended why the tool was ended or failed, told with the error if no proof comes within `seconds`
 */
export async function proveLocksGone(
  login: Login,
  since: Session,
  log: Log,
  ended: Error,
  seconds = 60,
): Promise<void> {
  const until = performance.now() + seconds * 1000;
  let last = '';
  while (performance.now() < until) {
    try {
      const session = await openSession(login, AbortSignal.timeout(30_000));
      try {
        const inTheWay = await locksInTheWay(session, { user: login.user, after: since.id }, log);
        if (inTheWay === undefined) return;
        last = inTheWay;
      } finally {
        await session.close();
      }
    } catch (error) {
      last = (error as Error).message;
      const code = error instanceof NamedError ? error.facts.code : undefined;
      if (code === 'ECONNREFUSED' || code === 'ENOENT') {
        log('the server is down, and its locks with it', { cause: last });
        return;
      }
    }
    await sleep(200);
  }
  throw new NamedError(
    'Backup.LockBudget',
    `${ended.message}; and the tool's lock could not be proved gone within ${seconds} s (${last})`,
    { seconds },
    { cause: ended },
  );
}
