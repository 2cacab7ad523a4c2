import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { NamedError } from '../../contract/errors/named-error.ts';
import type { ProcessRegistry } from './processes.ts';
import { waitUntilReady } from './wait.ts';

export type ServerPlan = {
  /** `primary`, `replica`: for messages. */
  name: string;
  /** Holds `data`, `my.cnf` and `error.log`. */
  directory: string;
  /** Socket file, 107 bytes at most. */
  socket: string;
  /** Loopback port. */
  port: number;
  serverId: number;
  /** More lines of the server's own group; an empty value is a bare option. */
  options?: Readonly<Record<string, string>>;
  /** PATH of the server's programs; the system's directories unless it says otherwise. */
  path?: string;
  /** Name of the time zone that it lives in; UTC unless it says otherwise. */
  zone?: string;
  registry: ProcessRegistry;
};

export type DatabaseServer = ServerPlan & {
  datadir: string;
  defaultsFile: string;
  pid: number;
  /** Logs in as root over the socket, which the server lets root of this machine do without a password. */
  connect(database?: string): Promise<Connection>;
  /** SIGTERM and a clean shutdown, SIGKILL after 30 s. */
  stop(): Promise<void>;
  /** SIGKILL: the server's crash. */
  kill(): Promise<void>;
};

/** The option file of a server and of its clients: bare options have an empty value. */
export function optionFile(
  socket: string,
  group: 'mariadbd' | 'mysqld',
  options: Readonly<Record<string, string>>,
): string {
  const lines = Object.entries(options).map(([key, value]) => (value === '' ? key : `${key} = ${value}`));
  return `[client]\nsocket = ${socket}\n\n[${group}]\n${lines.join('\n')}\n`;
}

/** Starts the program of an installed server and waits until root can log in; `label` and the plan's name are for messages. */
export async function startDatabaseServer(
  label: 'mariadb' | 'mysql',
  program: string,
  plan: ServerPlan & { path: string },
): Promise<DatabaseServer> {
  const { name, directory, socket, registry, path, zone = 'UTC' } = plan;
  const defaultsFile = join(directory, 'my.cnf');
  rmSync(socket, { force: true });
  const output = openSync(join(directory, 'output.log'), 'a');
  const child = registry.start(`${label} ${name}`, program, [`--defaults-file=${defaultsFile}`], {
    cwd: directory,
    stdio: ['ignore', output, output],
    env: { PATH: path, LANG: 'C', TZ: zone },
  });
  closeSync(output);
  let ended = false;
  for (const event of ['exit', 'error']) {
    child.once(event, () => {
      ended = true;
    });
  }
  const connect = (database?: string): Promise<Connection> =>
    createConnection({ socketPath: socket, user: 'root', ...(database ? { database } : {}), ...CONNECTION });
  await waitUntilReady(
    `${label} ${name}`,
    60_000,
    async () => {
      await (await connect()).end();
      return true;
    },
    {
      ended: () => ended,
      detail: () => tail(join(directory, 'error.log')) + tail(join(directory, 'output.log')),
    },
  );
  const pid = child.pid ?? 0;
  return {
    ...plan,
    datadir: join(directory, 'data'),
    defaultsFile,
    pid,
    connect,
    stop: () => registry.stop(pid, 30_000),
    kill: () => registry.stop(pid, 0),
  };
}

/** Numbers beyond 2^53 come as strings, dates as the server wrote them. */
export const CONNECTION = {
  charset: 'utf8mb4',
  supportBigNumbers: true,
  bigNumberStrings: false,
  dateStrings: true,
} as const;

/** The account under which the local database servers run. */
export function databaseUser(): { uid: number; gid: number } {
  if (process.getuid?.() !== 0) {
    throw new NamedError(
      'Local.StartFailed',
      'run as root: the database servers run as the system user mysql',
    );
  }
  const fields = /^mysql:.*$/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[0].split(':') ?? [];
  if (!fields[2] || !fields[3]) throw new NamedError('Local.StartFailed', 'there is no system user mysql');
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}

/** The end of a log, for messages. */
export function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-1_500) : '';
}
