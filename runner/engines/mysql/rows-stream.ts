import { createConnection } from 'mysql2';
import type { Login } from './login.ts';

/** Rows that are read ahead of their user. */
const rowsAhead = 256;

/**
 * The rows of one SELECT as they come, each value as the server's bytes; the server waits while they are used. Ends
 * with the signal's reason when that fires.
 */
export async function* streamRows(
  login: Login,
  sql: string,
  signal: AbortSignal,
): AsyncGenerator<(Buffer | null)[]> {
  signal.throwIfAborted();
  const connection = createConnection({
    ...('socket' in login.address ? { socketPath: login.address.socket } : login.address),
    user: login.user,
    ...(login.password === undefined ? {} : { password: login.password }),
    charset: 'utf8mb4',
    rowsAsArray: true,
    typeCast: (field) => field.buffer(),
  });
  // Told by the stream that meets it.
  connection.on('error', () => {});
  const end = () => connection.destroy();
  signal.addEventListener('abort', end, { once: true });
  try {
    connection.query("SET SESSION time_zone='+00:00', sql_mode='', net_write_timeout=3600");
    const rows = connection.query(sql).stream({ highWaterMark: rowsAhead });
    signal.addEventListener('abort', () => rows.destroy(signal.reason as Error), { once: true });
    for await (const row of rows) yield row as (Buffer | null)[];
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', end);
    connection.destroy();
  }
}
