import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRegistry } from '../../infra/local/processes.ts';
import { freePort } from '../../infra/local/wait.ts';
import { installMysql, type MysqlServer, startMysql } from './mysql.ts';

export type MysqlPair = {
  /** A directory that servers' accounts can walk. */
  directory: string;
  primary: MysqlServer;
  replica: MysqlServer;
  sql: (server: MysqlServer, ...statements: string[]) => Promise<Record<string, unknown>[]>;
  /** Waits until the replica has executed what the primary has. */
  caughtUp: () => Promise<void>;
  close: () => Promise<void>;
};

/** Starts a MySQL primary and a replica of it by GTID, empty but for what servers have. */
export async function startMysqlPair(
  name: string,
  path: string,
  options: Readonly<Record<string, string>> = {},
): Promise<MysqlPair> {
  const directory = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  chmodSync(directory, 0o755);
  const registry = openRegistry(join(directory, 'processes'));
  const serverOf = async (of: string, serverId: number, more: Readonly<Record<string, string>> = {}) => {
    const plan = {
      name: of,
      directory: join(directory, of),
      socket: join(directory, `${of}-run`, 's.sock'),
      port: await freePort(),
      serverId,
      options: { ...more, ...options },
      path,
      registry,
    };
    mkdirSync(plan.directory, { recursive: true });
    installMysql(plan);
    return startMysql(plan);
  };
  const [primary, replica] = await Promise.all([
    serverOf('primary', 401),
    serverOf('replica', 402, { 'skip-replica-start': '', 'read-only': 'ON' }),
  ]);
  const sql = async (server: MysqlServer, ...statements: string[]) => {
    const connection = await server.connect();
    let answer: unknown = [];
    try {
      for (const statement of statements) [answer] = await connection.query(statement);
    } finally {
      await connection.end();
    }
    return answer as Record<string, unknown>[];
  };
  await sql(
    primary,
    "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'of the tests'",
    "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
  );
  await sql(
    replica,
    `CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=${primary.port}, SOURCE_USER='repl',
     SOURCE_PASSWORD='of the tests', SOURCE_AUTO_POSITION=1, GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1`,
    'START REPLICA',
  );
  return {
    directory,
    primary,
    replica,
    sql,
    caughtUp: async () => {
      const [row] = await sql(primary, 'SELECT @@GLOBAL.gtid_executed AS gtid');
      const gtid = String(row?.gtid).replace(/\s/g, '');
      for (const until = Date.now() + 30_000; Date.now() < until; await sleep(50)) {
        const [done] = await sql(replica, `SELECT GTID_SUBSET('${gtid}', @@GLOBAL.gtid_executed) AS has`);
        if (done?.has === 1) return;
      }
      throw new Error(
        `the replica did not catch up: ${JSON.stringify(await sql(replica, 'SHOW REPLICA STATUS'))}`,
      );
    },
    close: async () => {
      await registry.stopAll();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
