import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installServer, type MariadbServer, startServer } from '../../../infra/local/mariadb.ts';
import { openRegistry } from '../../../infra/local/processes.ts';
import {
  binlogPosition,
  createReplicationAccount,
  follow,
  primaryOptions,
  replicaOptions,
  replicationAccount,
  waitForPosition,
} from '../../../infra/local/replication.ts';
import { freePort } from '../../../infra/local/wait.ts';

/** Small and fast: what is tested does not depend on buffers or on durability of the source. */
const lean = {
  'innodb-buffer-pool-size': '32M',
  'innodb-log-file-size': '48M',
  'innodb-flush-log-at-trx-commit': '0',
};

export type Pair = {
  /** A directory that servers' accounts can walk. */
  directory: string;
  primary: MariadbServer;
  replica: MariadbServer;
  sql: (server: MariadbServer, ...statements: string[]) => Promise<Record<string, unknown>[]>;
  /** Another server, empty and of no history with these; it ends with them. */
  another: (name: string, options: Readonly<Record<string, string>>) => Promise<MariadbServer>;
  /** Waits until the replica has what the primary has. */
  caughtUp: () => Promise<void>;
  close: () => Promise<void>;
};

/**
 * Starts a primary and a replica of it, empty but for what servers have.
 * @param path where the programs of another line are; the system's unless it is given
 * @param zone where they live; UTC unless it is given
 */
export async function startPair(name: string, path?: string, zone = 'UTC'): Promise<Pair> {
  const directory = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  chmodSync(directory, 0o755);
  const registry = openRegistry(join(directory, 'processes'));
  const serverOf = async (of: string, serverId: number, options: Readonly<Record<string, string>>) => {
    const plan = {
      name: of,
      directory: join(directory, of),
      socket: join(directory, `${of}-run`, 's.sock'),
      port: await freePort(),
      serverId,
      options: { ...options, ...lean },
      registry,
      zone,
      ...(path === undefined ? {} : { path }),
    };
    mkdirSync(plan.directory, { recursive: true });
    installServer(plan);
    return startServer(plan);
  };
  const [primary, replica] = await Promise.all([
    serverOf('primary', 101, primaryOptions),
    serverOf('replica', 102, { ...replicaOptions, 'skip-slave-start': '' }),
  ]);
  await createReplicationAccount(primary, replicationAccount);
  await follow(replica, primary, replicationAccount);
  return {
    directory,
    primary,
    replica,
    sql: async (server, ...statements) => {
      const connection = await server.connect();
      let answer: unknown = [];
      try {
        for (const statement of statements) [answer] = await connection.query(statement);
      } finally {
        await connection.end();
      }
      return answer as Record<string, unknown>[];
    },
    another: (of, options) => serverOf(of, 103, options),
    caughtUp: async () => waitForPosition(replica, await binlogPosition(primary), 30),
    close: async () => {
      await registry.stopAll();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** One short transaction after the other until it is stopped; counts what was committed and how long the slowest took. */
export async function startProbe(server: MariadbServer, statement: string) {
  const connection = await server.connect();
  let on = true;
  const found = { commits: 0, slowestMs: 0 };
  // Told by stop(): a test that fails meanwhile has its own error.
  const running = (async () => {
    while (on) {
      const began = performance.now();
      await connection.query(statement);
      found.commits++;
      found.slowestMs = Math.max(found.slowestMs, performance.now() - began);
    }
  })();
  running.catch(() => {});
  return {
    found,
    stop: async () => {
      on = false;
      await running;
      await connection.end();
      return found;
    },
  };
}
