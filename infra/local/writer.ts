import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Connection,
  type ConnectionOptions,
  createConnection,
  type RowDataPacket,
} from 'mysql2/promise';

/** One commit: the ledger's row, its GTID, and when the server acknowledged it (milliseconds since 1970). */
export type Commit = { id: number; gtid: string; at: number };

export type WriterReport = {
  /** Transactions whose COMMIT the server acknowledged, and whose GTID it told. */
  commits: number;
  /** Highest ledger id acknowledged; 0 before the first. */
  lastAcknowledged: number;
  /** GTID of that commit. */
  lastGtid: string;
  lastAcknowledgedAt: Date | undefined;
  /** Every commit that was acknowledged, in its order. */
  history: readonly Commit[];
  /** Ledger id whose COMMIT was sent and not answered with its GTID: it may or may not be there. */
  uncertain: number | undefined;
  /** Why the writer ended by itself; undefined after `stop`. */
  died: Error | undefined;
};

export type Writer = {
  /** The state now; the object is a copy. */
  report(): WriterReport;
  /** Ends after the current transaction. */
  stop(): Promise<WriterReport>;
  /** Resolves when the writer has ended, by `stop` or because the server went away; never rejects. */
  ended: Promise<WriterReport>;
};

/** Rows kept in the ledger: older ones are deleted, so that a run of any length stays small. */
const LEDGER_ROWS = 500;

type State = WriterReport & { history: Commit[] };

/**
 * Writes to `shop.ledger` until it is stopped or the server dies: each transaction inserts one row, updates the one
 * before and deletes the one that fell out of the ledger. At most `perSecond` transactions a second.
 */
export async function startWriter(login: ConnectionOptions, perSecond: number): Promise<Writer> {
  const connection = await createConnection({ ...login, database: 'shop' });
  // Without a listener a lost connection would end the process.
  connection.on('error', () => {});
  const state: State = {
    history: [],
    commits: 0,
    lastAcknowledged: await highestId(connection),
    lastGtid: '',
    lastAcknowledgedAt: undefined,
    uncertain: undefined,
    died: undefined,
  };
  let stopping = false;
  const run = async (): Promise<WriterReport> => {
    const started = Date.now();
    try {
      while (!stopping) {
        await writeOne(connection, state);
        const dueAt = started + (state.commits * 1000) / perSecond;
        if (dueAt > Date.now()) await sleep(dueAt - Date.now());
      }
      await connection.end();
    } catch (error) {
      state.died = error instanceof Error ? error : new Error(String(error));
      connection.destroy();
    }
    return copyOf(state);
  };
  const ended = run();
  return {
    report: () => copyOf(state),
    stop: () => {
      stopping = true;
      return ended;
    },
    ended,
  };
}

const copyOf = (state: State): WriterReport => ({ ...state, history: [...state.history] });

async function writeOne(connection: Connection, state: State): Promise<void> {
  const id = state.lastAcknowledged + 1;
  await connection.query('START TRANSACTION');
  await connection.query('INSERT INTO ledger (id, note) VALUES (?, ?)', [
    id,
    `entry ${id}; it's "fine" $${id}`,
  ]);
  await connection.query('UPDATE ledger SET revision = revision + 1 WHERE id = ?', [id - 1]);
  await connection.query('DELETE FROM ledger WHERE id = ?', [id - LEDGER_ROWS]);
  state.uncertain = id;
  await connection.query('COMMIT');
  const at = new Date();
  const [rows] = await connection.query<RowDataPacket[]>('SELECT @@last_gtid AS gtid');
  // Together: whoever compares a restored ledger counts back from this entry and this GTID.
  state.uncertain = undefined;
  state.commits += 1;
  state.lastAcknowledged = id;
  state.lastAcknowledgedAt = at;
  state.lastGtid = String(rows[0]?.gtid ?? '');
  state.history.push({ id, gtid: state.lastGtid, at: at.getTime() });
}

async function highestId(connection: Connection): Promise<number> {
  const [rows] = await connection.query<RowDataPacket[]>('SELECT COALESCE(MAX(id), 0) AS id FROM ledger');
  return Number(rows[0]?.id ?? 0);
}
