import { type Connection, escapeId, escape as quote } from 'mysql2/promise';
import { dropStatements, oddNames, schema } from './data-schema.ts';
import type { Account } from './replication.ts';

/** The account of the application that writes; as hard to quote as an account may be. */
export const applicationAccount: Account = {
  user: `app's "writer" $1;`,
  password: `it's "50%" $off;\nnext\tline \\`,
};

export type LoadOptions = {
  /** Bytes that tables and indexes take on disk, at least; 200e6 for the demo, some millions for tests. */
  bytes: number;
  onProgress?: (loaded: { step: string; rows: number }) => void;
};

/**
 * How the bytes are shared out, and what a row of each kind takes on disk with its indexes (measured on InnoDB of
 * MariaDB 10.11 with 16 KiB pages, rounded down so that the total is reached).
 */
const shares = {
  documents: { share: 0.35, bytesPerRow: 33_500 },
  orders: { share: 0.4, bytesPerRow: 780 },
  measurements: { share: 0.25, bytesPerRow: 165 },
} as const;

/** Rows of one transaction: 2 to 4 MiB, so that a replica applies them in step. */
const ROWS_PER_TRANSACTION = { documents: 64, orders: 4_000, measurements: 25_000 } as const;

const DOCUMENT_BYTES = 30_000;
const ITEMS_PER_ORDER = 3;

/**
 * Creates the databases of `data-schema.ts` and fills them, always with the same rows for the same size: most are
 * computed by the server from its sequence engine, BLOBs come from a seeded generator since they must not compress.
 */
export async function loadData(connection: Connection, options: LoadOptions): Promise<void> {
  for (const statement of [...dropStatements, ...schema, 'USE shop']) await connection.query(statement);
  await createApplicationAccount(connection);
  const rows = (kind: keyof typeof shares): number =>
    Math.ceil((options.bytes * shares[kind].share) / shares[kind].bytesPerRow);
  const customers = Math.ceil(rows('orders') / 10);
  const step = (name: string) => (count: number) => options.onProgress?.({ step: name, rows: count });
  await inSteps(customers, 10_000, step('customers'), (from, to) => connection.query(customersOf(from, to)));
  await inSteps(rows('orders'), ROWS_PER_TRANSACTION.orders, step('orders'), async (from, to) => {
    await connection.query('START TRANSACTION');
    await connection.query(ordersOf(from, to, customers));
    await connection.query(itemsOf(from, to));
    await connection.query('COMMIT');
  });
  await inSteps(rows('measurements'), ROWS_PER_TRANSACTION.measurements, step('measurements'), (from, to) =>
    connection.query(measurementsOf(from, to, rows('measurements'))),
  );
  await inSteps(rows('documents'), ROWS_PER_TRANSACTION.documents, step('documents'), (from, to) =>
    insertDocuments(connection, from, to),
  );
  await connection.query(
    'INSERT INTO shop.counters (name, hits) SELECT CONCAT("page-", seq), seq FROM seq_1_to_500',
  );
  await connection.query(
    `INSERT INTO ${escapeId(oddNames.database, true)}.${escapeId(oddNames.table, true)} SELECT seq, ${quote(oddNames.value)} FROM seq_1_to_1000`,
  );
}

/** Bytes of InnoDB's tablespaces on disk, without the system's own and without logs. */
export async function dataBytes(connection: Connection): Promise<number> {
  const [rows] = await connection.query(
    `SELECT SUM(FILE_SIZE) AS bytes FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE '%/%' AND NAME NOT LIKE 'mysql/%'`,
  );
  return Number((rows as { bytes: string }[])[0]?.bytes ?? 0);
}

async function createApplicationAccount(connection: Connection): Promise<void> {
  const name = `${quote(applicationAccount.user)}@'localhost'`;
  await connection.query(
    `CREATE USER IF NOT EXISTS ${name} IDENTIFIED BY ${quote(applicationAccount.password)}`,
  );
  await connection.query(`GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON shop.* TO ${name}`);
}

async function inSteps(
  total: number,
  size: number,
  done: (rows: number) => void,
  insert: (from: number, to: number) => Promise<unknown>,
): Promise<void> {
  for (let from = 1; from <= total; from += size) {
    const to = Math.min(total, from + size - 1);
    await insert(from, to);
    done(to);
  }
}

function customersOf(from: number, to: number): string {
  return `INSERT INTO shop.customers (id, name, email, city, notes)
    SELECT seq, CONCAT('Customer ', seq), CONCAT(LEFT(MD5(seq), 12), seq, '@example.org'),
      ELT(1 + seq % 6, 'Berlin', 'Köln', 'Łódź', 'São Paulo', '東京', 'N''Djamena'), REPEAT(MD5(seq), seq % 8)
    FROM seq_${from}_to_${to}`;
}

function ordersOf(from: number, to: number, customers: number): string {
  return `INSERT INTO shop.orders (id, customer_id, placed, net, comment)
    SELECT seq, 1 + (seq * 7919) % ${customers}, TIMESTAMP('2026-01-01') + INTERVAL seq MINUTE,
      (seq * 37 % 100000) / 100, CONCAT(SHA2(seq, 256), SHA2(-CAST(seq AS SIGNED), 256))
    FROM seq_${from}_to_${to}`;
}

function itemsOf(from: number, to: number): string {
  return `INSERT INTO shop.order_items (order_id, line, sku, quantity, price)
    SELECT o.seq, l.seq, CONCAT('SKU-', LEFT(MD5(o.seq * l.seq), 10)), 1 + o.seq % 9, (o.seq % 5000) / 100
    FROM seq_${from}_to_${to} o JOIN seq_1_to_${ITEMS_PER_ORDER} l`;
}

function measurementsOf(from: number, to: number, total: number): string {
  // Two years from the first to the last, so that every partition gets its share.
  const seconds = Math.max(1, Math.floor((730 * 86_400) / total));
  return `INSERT INTO shop.measurements (taken, sensor, value)
    SELECT TIMESTAMP('2025-01-01') + INTERVAL seq * ${seconds} SECOND, seq, SIN(seq)
    FROM seq_${from}_to_${to}`;
}

async function insertDocuments(connection: Connection, from: number, to: number): Promise<void> {
  await connection.query('START TRANSACTION');
  for (let id = from; id <= to; id += 1) {
    await connection.execute('INSERT INTO shop.documents (id, title, body) VALUES (?, ?, ?)', [
      id,
      `document ${id}`,
      noise(id, DOCUMENT_BYTES),
    ]);
  }
  await connection.query('COMMIT');
}

/** Bytes that no codec makes smaller, the same for the same seed (xorshift32, Marsaglia 2003). */
export function noise(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  for (let i = 0; i < words.length; i += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state >>> 0;
  }
  return Buffer.from(words.buffer, 0, length);
}
