import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { NamedError } from '../../contract/errors/named-error.ts';
import {
  type DatabaseServer,
  databaseUser,
  optionFile,
  type ServerPlan,
  startDatabaseServer,
} from './database-server.ts';

export type MariadbServer = DatabaseServer;

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
  return optionFile(socket, 'mariadbd', lines);
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
export const startServer = (plan: ServerPlan): Promise<MariadbServer> =>
  startDatabaseServer('mariadb', 'mariadbd', { ...plan, path: plan.path ?? SERVER_PATH });

const SERVER_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
