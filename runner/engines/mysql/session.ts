import type { Connection, ConnectionOptions } from 'mysql2/promise';
import { createConnection } from 'mysql2/promise';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Login } from './login.ts';
import { type Words, wordsOf } from './words/words.ts';

/** A row with every value as the server prints it; binary columns as UTF-8 text. */
export type Row = Record<string, string | null>;

/** One login of ours on a server. Every statement has a time limit, after which the session is killed. */
export type Session = {
  id: number;
  /** What this server calls things. */
  words: Words;
  rows: (sql: string, values?: (string | number)[], seconds?: number) => Promise<Row[]>;
  run: (sql: string, values?: (string | number)[], seconds?: number) => Promise<void>;
  /** Sends values beside the statement, byte for byte, so that a packet need not be larger than they are. */
  execute: (sql: string, values: Buffer[], seconds?: number) => Promise<void>;
  close: () => Promise<void>;
};

/** Seconds a statement of ours may take unless it says otherwise: all are small but the fingerprint's. */
const statementSeconds = 30;
const connectMilliseconds = 10_000;

function options(login: Login): ConnectionOptions {
  return {
    ...('socket' in login.address ? { socketPath: login.address.socket } : login.address),
    user: login.user,
    ...(login.password === undefined ? {} : { password: login.password }),
    charset: 'utf8mb4',
    connectTimeout: connectMilliseconds,
    // MySQL says of JSON that it is binary.
    typeCast: (field) => (field.type === 'JSON' ? field.string('utf8') : field.string()),
  };
}

async function connect(login: Login): Promise<Connection> {
  try {
    return await createConnection(options(login));
  } catch (error) {
    const where =
      'socket' in login.address ? login.address.socket : `${login.address.host}:${login.address.port}`;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new NamedError('Member.LoginFailed', `cannot log in at ${where} as ${login.user}: ${message}`, {
      address: where,
      user: login.user,
      code: code ?? '',
    });
  }
}

/**
 * Logs in. When `signal` fires, the statement that runs is killed from a second session (closing the connection
 * alone would leave a long SELECT running on the server) and everything after it is refused.
 */
export async function openSession(login: Login, signal: AbortSignal): Promise<Session> {
  signal.throwIfAborted();
  const connection = await connect(login);
  // A lost connection is told by the statement that meets it.
  connection.on('error', () => {});
  const id = connection.threadId;

  const kill = async () => {
    connection.destroy();
    const other = await connect(login).catch(() => undefined);
    await other?.query(`KILL ${id}`).catch(() => {});
    other?.destroy();
  };

  async function within(sql: string, seconds: number, ask: () => Promise<unknown>): Promise<unknown> {
    signal.throwIfAborted();
    let stop = () => {};
    const stopped = new Promise<never>((_, reject) => {
      const onAbort = () => void kill().finally(() => reject(signal.reason));
      signal.addEventListener('abort', onAbort, { once: true });
      const timer = setTimeout(() => {
        const error = new Error(
          `a statement took more than ${seconds} s and was killed: ${sql.slice(0, 120)}`,
        );
        void kill().finally(() => reject(error));
      }, seconds * 1000);
      stop = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
      };
    });
    const answer = ask();
    answer.catch(() => {});
    try {
      return await Promise.race([answer, stopped]);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      stop();
    }
  }

  const query = (sql: string, values: (string | number)[], seconds: number) =>
    within(sql, seconds, () => connection.query(sql, values).then(([rows]) => rows));

  const [version] = (await query('SELECT VERSION() AS version', [], statementSeconds)) as Row[];
  const session: Session = {
    id,
    words: wordsOf(version?.version ?? ''),
    rows: async (sql, values = [], seconds = statementSeconds) =>
      (await query(sql, values, seconds)) as Row[],
    run: async (sql, values = [], seconds = statementSeconds) => {
      await query(sql, values, seconds);
    },
    execute: async (sql, values, seconds = statementSeconds) => {
      await within(sql, seconds, () => connection.execute(sql, values));
      // Kept until the session ends otherwise, and each is another text.
      connection.unprepare(sql);
    },
    close: async () => {
      await connection.end().catch(() => connection.destroy());
    },
  };
  // Zone and mode decide how values and definitions are printed; the lock limit keeps us from queueing before others.
  await session.run("SET SESSION time_zone='+00:00', sql_mode='', lock_wait_timeout=20, wait_timeout=28800");
  return session;
}

/** Opens a session for `work` and closes it whatever happens. */
export async function withSession<T>(
  login: Login,
  signal: AbortSignal,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await openSession(login, signal);
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}

/** `` `name` `` with what must be doubled: identifiers may hold anything but NUL. */
export const quoteName = (name: string) => `\`${name.replaceAll('`', '``')}\``;
