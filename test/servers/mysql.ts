import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  type DatabaseServer,
  databaseUser,
  optionFile,
  type ServerPlan,
  startDatabaseServer,
  tail,
} from '../../infra/local/database-server.ts';

/** A running server of MySQL; what can be done with it is what can be done with one of MariaDB. */
export type MysqlServer = DatabaseServer;
export type MysqlPlan = ServerPlan & { path: string };

/** A server's configuration, small: what is tested depends neither on buffers nor on a fast commit. */
export function mysqlConfiguration(plan: Omit<MysqlPlan, 'registry' | 'path'>): string {
  const { directory, socket, port, serverId, options = {} } = plan;
  const lines: Record<string, string> = {
    user: 'mysql',
    datadir: join(directory, 'data'),
    socket,
    port: String(port),
    'bind-address': '127.0.0.1',
    mysqlx: 'OFF',
    'pid-file': join(directory, 'data/server.pid'),
    'log-error': join(directory, 'error.log'),
    tmpdir: join(directory, 'tmp'),
    'server-id': String(serverId),
    'log-bin': join(directory, 'data/binlog'),
    'gtid-mode': 'ON',
    'enforce-gtid-consistency': 'ON',
    'skip-name-resolve': '',
    'plugin-load-add': 'auth_socket.so',
    // The built-in one must be there, and is not on a machine without the whole package.
    'secure-file-priv': 'NULL',
    'innodb-buffer-pool-size': '64M',
    'innodb-redo-log-capacity': '64M',
    'innodb-flush-log-at-trx-commit': '2',
    ...options,
  };
  return optionFile(socket, 'mysqld', lines);
}

/** Makes an empty server: directory, `my.cnf`, system tables, root over the socket without a password. */
export function installMysql(plan: MysqlPlan): void {
  const { directory, socket } = plan;
  const { uid, gid } = databaseUser();
  for (const path of [directory, join(directory, 'tmp'), dirname(socket)]) {
    mkdirSync(path, { recursive: true });
    chownSync(path, uid, gid);
  }
  chmodSync(dirname(socket), 0o711);
  const defaultsFile = join(directory, 'my.cnf');
  writeFileSync(defaultsFile, mysqlConfiguration(plan), { mode: 0o644 });
  // Plugins are not loaded while the system tables are made, so the account gets its own at the first start.
  writeFileSync(join(directory, 'first'), '');
  const datadir = join(directory, 'data');
  if (Object.keys(plan.options ?? {}).some((name) => shaping.test(name))) {
    initialize(plan, datadir);
    return;
  }
  // The system tables take three seconds to make; every other server gets a copy of the first one's.
  const template = join(directoryOfTemplates(plan.path), 'template');
  if (!existsSync(template)) {
    const draft = `${template}.${process.pid}`;
    rmSync(draft, { recursive: true, force: true });
    initialize(plan, datadir);
    copy(datadir, draft);
    rmSync(join(draft, 'auto.cnf'));
    try {
      renameSync(draft, template);
    } catch {
      rmSync(draft, { recursive: true, force: true });
    }
    return;
  }
  copy(template, datadir);
}

/** Options that an existing data directory cannot take on. */
const shaping = /^(?:lower.case|innodb.(?:page.size|data|undo.dir|log.group|directories))/;

/** The unpacked servers' own directory: the first of their programs' is `<it>/mysql/usr/sbin`. */
const directoryOfTemplates = (path: string) => join(path.split(':')[0] ?? '', '../../..');

/** Owners and holes as they are. */
function copy(from: string, to: string): void {
  const ended = spawnSync('cp', ['-a', '--sparse=always', from, to], { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(`cp failed: ${ended.stderr}`);
}

function initialize(plan: MysqlPlan, datadir: string): void {
  const args = [
    `--defaults-file=${join(plan.directory, 'my.cnf')}`,
    '--initialize-insecure',
    // Its index would name the files of this server.
    '--skip-log-bin',
    '--user=mysql',
    `--datadir=${datadir}`,
  ];
  const made = spawnSync('mysqld', args, {
    encoding: 'utf8',
    env: { PATH: plan.path, LANG: 'C', TZ: 'UTC' },
  });
  if (made.status !== 0) {
    const said = tail(join(plan.directory, 'error.log'));
    throw new Error(`mysqld --initialize failed for ${plan.name}: ${made.stderr}${said}`);
  }
}

/** Starts an installed server and waits until root can log in; stopped through its registry, by process id. */
export async function startMysql(plan: MysqlPlan): Promise<MysqlServer> {
  const server = await startDatabaseServer('mysql', 'mysqld', plan);
  const first = join(plan.directory, 'first');
  if (existsSync(first)) {
    const connection = await server.connect();
    await connection.query('SET sql_log_bin=0');
    await connection.query('ALTER USER root@localhost IDENTIFIED WITH auth_socket');
    await connection.end();
    rmSync(first);
  }
  return server;
}
