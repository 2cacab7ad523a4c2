import { type Connection, createConnection, type ResultSetHeader } from 'mysql2/promise';
import { quoteName } from '../../session.ts';
import { loadingSession, looseChecks } from '../scripts.ts';

/** Connections that load rows, each one statement at a time. */
export type Loaders = {
  /** Resolves as soon as a connection has taken the statement; `done` gets the rows that it made. */
  load: (schema: string, statement: Buffer, done: (rows: number) => void) => Promise<void>;
  /** Resolves once all statements are through; rejects with the first error. */
  finish: () => Promise<void>;
  close: () => Promise<void>;
};

type Loader = { connection: Connection; schema: string | undefined };

/**
 * Opens `count` loading connections. Statements go to the server as the bytes that they are: the connection's character
 * set is `binary`, in which each byte stands for itself.
 */
export async function openLoaders(
  socket: string,
  count: number,
  flavour: 'mariadb' | 'mysql',
  signal: AbortSignal,
): Promise<Loaders> {
  const all: Loader[] = [];
  const closeAll = async () => {
    for (const { connection } of all) await connection.end().catch(() => connection.destroy());
  };
  const stop = () => {
    for (const { connection } of all) connection.destroy();
  };
  signal.addEventListener('abort', stop, { once: true });
  try {
    for (let n = 0; n < count; n++) {
      const connection = await createConnection({ socketPath: socket, user: 'root', charset: 'BINARY' });
      connection.on('error', () => {});
      all.push({ connection, schema: undefined });
      for (const sql of [...loadingSession, ...(flavour === 'mariadb' ? [looseChecks] : [])]) {
        await connection.query(sql);
      }
    }
  } catch (error) {
    await closeAll();
    throw error;
  }
  const free = [...all];
  const busy = new Set<Promise<void>>();
  let failure: unknown;

  const check = () => {
    signal.throwIfAborted();
    if (failure !== undefined) throw failure;
  };
  const run = async (loader: Loader, schema: string, statement: Buffer, done: (rows: number) => void) => {
    if (loader.schema !== schema) {
      // Names are text, and the connection's bytes are not: utf8 bytes, each as a character.
      await loader.connection.query(Buffer.from(`USE ${quoteName(schema)}`).toString('latin1'));
      loader.schema = schema;
    }
    const [result] = await loader.connection.query(statement.toString('latin1'));
    done((result as ResultSetHeader).affectedRows);
  };

  return {
    load: async (schema, statement, done) => {
      while (free.length === 0) await Promise.race(busy);
      check();
      const loader = free.pop()!;
      const running: Promise<void> = run(loader, schema, statement, done)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => {
          free.push(loader);
          busy.delete(running);
        });
      busy.add(running);
    },
    finish: async () => {
      await Promise.all(busy);
      check();
    },
    close: async () => {
      signal.removeEventListener('abort', stop);
      await Promise.all(busy);
      await closeAll();
    },
  };
}
