import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Login } from '../login.ts';
import { streamRows } from '../rows-stream.ts';
import { quoteName, type Session } from '../session.ts';
import { type CopiedColumn, rowTextQuery } from './row-text.ts';

/** Of one statement, which is one transaction: what a replica applies at once. */
const batchBytes = 1024 * 1024;
const batchRows = 5000;
/** Larger values are sent as they are, and so take half the packet. */
const writtenOutBytes = 256 * 1024;
const insertSeconds = 600;

export type Copy = {
  /** Where the rows are: the scratch instance. */
  scratch: Login;
  /** FROM text on it. */
  from: string;
  columns: readonly CopiedColumn[];
  live: Session;
  /** FROM text of the table that takes them. */
  into: string;
  /** `max_allowed_packet` of the live server. */
  packetBytes: number;
  signal: AbortSignal;
  onRows: (rows: number) => void;
};

function tooLarge(into: string, packetBytes: number, error: unknown): unknown {
  const { errno } = error as { errno?: number };
  // ER_NET_PACKET_TOO_LARGE; some versions only close the connection.
  if (errno !== 1153) return error;
  return new NamedError(
    'Restore.TableUnfit',
    `a row for ${into} does not fit into the live server's max_allowed_packet of ${packetBytes} bytes; raise it (SET GLOBAL max_allowed_packet) and restore again`,
    { maxAllowedPacket: packetBytes },
    { cause: error },
  );
}

/**
 * Copies rows through SQL: INSERT statements of about 1 MiB, each a transaction of its own, so that replicas and the
 * archive get them like any other writes. The next statement is read while one runs.
 * @returns the number of rows
 */
export async function copyRows(copy: Copy): Promise<number> {
  const { live, packetBytes } = copy;
  const most = Math.min(batchBytes, Math.floor(packetBytes / 4));
  const head = `INSERT INTO ${copy.into} (${copy.columns.map(({ name }) => quoteName(name)).join(',')}) VALUES `;
  let rows = 0;
  let texts: string[] = [];
  let bytes = 0;
  let running: Promise<void> = Promise.resolve();

  const send = async (insert: () => Promise<void>, count: number) => {
    await running;
    running = insert().then(() => {
      rows += count;
      copy.onRows(rows);
    });
    // Told when it is awaited.
    running.catch(() => undefined);
  };
  const flush = async () => {
    if (texts.length === 0) return;
    const sql = head + texts.join(',');
    const count = texts.length;
    texts = [];
    bytes = 0;
    await send(() => live.run(sql, [], insertSeconds), count);
  };

  const query = rowTextQuery(
    copy.columns,
    copy.from,
    Math.min(writtenOutBytes, Math.floor(packetBytes / 16)),
  );
  try {
    for await (const [text, ...values] of streamRows(copy.scratch, query, copy.signal)) {
      if (text == null) {
        throw new NamedError('Restore.TableUnfit', `a row of ${copy.from} is larger than 1 GiB`, {});
      }
      const row = text.toString('latin1');
      const large = values.filter((value) => value !== null);
      if (large.length > 0) {
        await flush();
        await send(() => live.execute(head + row, large, insertSeconds), 1);
        continue;
      }
      if (texts.length > 0 && (bytes + row.length > most || texts.length >= batchRows)) await flush();
      texts.push(row);
      bytes += row.length + 1;
    }
    await flush();
    await running;
  } catch (error) {
    throw tooLarge(copy.into, packetBytes, error);
  }
  return rows;
}
