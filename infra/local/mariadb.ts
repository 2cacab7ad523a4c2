import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
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
  /** More lines of `[mariadbd]`; an empty value is a bare option. */
  options?: Readonly<Record<string, string>>;
  /** PATH of the server's programs; the system's directories unless it says otherwise. */
  path?: string;
  registry: ProcessRegistry;
};

export type MariadbServer = ServerPlan & {
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

/** sun_path has 108 bytes with its closing zero. */
const SOCKET_PATH_MAX = 107;

/** The server's configuration, also read by its clients and by mariadb-backup. */
export function configuration(plan: Omit<ServerPlan, 'registry'>): string {
  const { directory, socket, port, serverId, options = {} } = plan;
  const lines: Record<string, string> = {
    user: 'mysql',
    datadir: join(directory, 'data'),
    socket,
    port: String(port),
    'bind-address': '127.0.0.1',
    'pid-file': join(directory, 'data/server.pid'),
    'log-error': join(directory, 'error.log'),
    // A server that starts removes every `#sql…` file of its tmpdir, also those of another server in the same one.
    tmpdir: join(directory, 'tmp'),
    'server-id': String(serverId),
    'log-bin': join(directory, 'data/binlog'),
    'binlog-format': 'ROW',
    'gtid-strict-mode': 'ON',
    'log-slave-updates': 'ON',
    'character-set-server': 'utf8mb4',
    'skip-name-resolve': '',
    'innodb-buffer-pool-size': '256M',
    'innodb-log-file-size': '128M',
    'performance-schema': 'OFF',
    ...options,
  };
  const rendered = Object.entries(lines).map(([key, value]) => (value === '' ? key : `${key} = ${value}`));
  return `[client]\nsocket = ${socket}\n\n[mariadbd]\n${rendered.join('\n')}\n`;
}

/** Makes an empty server: directory, `my.cnf`, system tables. Refuses a directory that holds one. */
export function installServer(plan: ServerPlan): void {
  const { directory, socket } = plan;
  if (Buffer.byteLength(socket) > SOCKET_PATH_MAX) {
    throw new NamedError(
      'Local.StartFailed',
      `socket path ${socket} is longer than ${SOCKET_PATH_MAX} bytes`,
    );
  }
  const datadir = join(directory, 'data');
  if (existsSync(datadir)) throw new NamedError('Local.StartFailed', `${datadir} exists already`);
  const { uid, gid } = databaseUser();
  const temporary = join(directory, 'tmp');
  for (const path of [directory, datadir, temporary, dirname(socket)]) mkdirSync(path, { recursive: true });
  for (const path of [directory, datadir, temporary]) chownSync(path, uid, gid);
  // The socket lets in whom the server knows; its directory need not keep anyone out.
  chmodSync(dirname(socket), 0o711);
  chownSync(dirname(socket), uid, gid);
  writeFileSync(join(directory, 'my.cnf'), configuration(plan), { mode: 0o644 });
  const args = [
    `--defaults-file=${join(directory, 'my.cnf')}`,
    '--auth-root-authentication-method=socket',
    '--auth-root-socket-user=root',
    '--skip-test-db',
    // Else the script refuses where neither the machine's name nor localhost can be looked up: a bare container.
    '--force',
  ];
  const installed = spawnSync('mariadb-install-db', args, {
    encoding: 'utf8',
    env: { PATH: plan.path ?? SERVER_PATH, LANG: 'C' },
  });
  if (installed.status !== 0) {
    const output = `${installed.error?.message ?? ''}${installed.stdout}${installed.stderr}`.slice(-2_000);
    throw new NamedError('Local.StartFailed', `mariadb-install-db failed for ${plan.name}: ${output}`);
  }
}

/** Starts an installed server and waits until root can log in. */
export async function startServer(plan: ServerPlan): Promise<MariadbServer> {
  const { name, directory, socket, registry } = plan;
  const defaultsFile = join(directory, 'my.cnf');
  rmSync(socket, { force: true });
  const output = openSync(join(directory, 'output.log'), 'a');
  const child = registry.start(`mariadb ${name}`, 'mariadbd', [`--defaults-file=${defaultsFile}`], {
    cwd: directory,
    stdio: ['ignore', output, output],
    env: { PATH: plan.path ?? SERVER_PATH, LANG: 'C', TZ: 'UTC' },
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
    `mariadb ${name}`,
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

const SERVER_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

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

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-1_500) : '';
}
