import { escape as quote, type RowDataPacket } from 'mysql2/promise';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { MariadbServer } from './mariadb.ts';

/** An account of a database server. */
export type Account = { user: string; password: string };

/** Names and passwords as hard as an account may have them, so that no step works only with easy ones. */
export const replicationAccount: Account = {
  user: `repl "o'neil" $HOME;`,
  password: `p'w "d" $(id); \`x\` #é`,
};

/** Options that make a server one to replicate from. */
export const primaryOptions: Readonly<Record<string, string>> = { 'event-scheduler': 'ON' };

/** Options that make a server one that follows. */
export const replicaOptions: Readonly<Record<string, string>> = {
  'read-only': 'ON',
  'slave-parallel-threads': '2',
  'slave-parallel-mode': 'optimistic',
};

/** Lets an account replicate from `primary` over loopback. */
export async function createReplicationAccount(primary: MariadbServer, account: Account): Promise<void> {
  const connection = await primary.connect();
  const name = `${quote(account.user)}@'127.0.0.1'`;
  await connection.query(`CREATE USER IF NOT EXISTS ${name} IDENTIFIED BY ${quote(account.password)}`);
  await connection.query(`GRANT REPLICATION SLAVE ON *.* TO ${name}`);
  await connection.end();
}

/** Makes an empty server follow `primary` by GTID from the beginning of its binary log. */
export async function follow(
  replica: MariadbServer,
  primary: MariadbServer,
  account: Account,
): Promise<void> {
  const connection = await replica.connect();
  await connection.query(
    `CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = ${primary.port},
     MASTER_USER = ${quote(account.user)}, MASTER_PASSWORD = ${quote(account.password)},
     MASTER_CONNECT_RETRY = 1, MASTER_USE_GTID = slave_pos`,
  );
  await connection.query('START SLAVE');
  await connection.end();
}

/** The GTID position of a server's binary log. */
export async function binlogPosition(server: MariadbServer): Promise<string> {
  const connection = await server.connect();
  const [rows] = await connection.query<RowDataPacket[]>('SELECT @@GLOBAL.gtid_binlog_pos AS position');
  await connection.end();
  return String(rows[0]?.position ?? '');
}

/** Waits until `replica` has applied `position`; throws with the applier's error after `timeoutSeconds`. */
export async function waitForPosition(
  replica: MariadbServer,
  position: string,
  timeoutSeconds: number,
): Promise<void> {
  const connection = await replica.connect();
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT MASTER_GTID_WAIT(?, ?) AS waited', [
      position,
      timeoutSeconds,
    ]);
    if (Number(rows[0]?.waited) === 0) return;
    const [status] = await connection.query<RowDataPacket[]>('SHOW SLAVE STATUS');
    const { Last_IO_Error: io, Last_SQL_Error: sql, Gtid_IO_Pos: read } = status[0] as RowDataPacket;
    throw new NamedError(
      'Local.StartFailed',
      `${replica.name} did not reach ${position} in ${timeoutSeconds} s (read up to ${read}): ${io} ${sql}`,
    );
  } finally {
    await connection.end();
  }
}
