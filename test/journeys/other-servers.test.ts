import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installServer, startServer } from '../../infra/local/mariadb.ts';
import { openRegistry, type ProcessRegistry } from '../../infra/local/processes.ts';
import { freePort } from '../../infra/local/wait.ts';
import { installMysql, startMysql } from '../servers/mysql.ts';
import { unstable } from '../servers/unstable.ts';

const found = await unstable();

describe.skipIf(found.missing !== null)('servers of other lines', () => {
  const { mysql, mariadb } = found as Extract<typeof found, { missing: null }>;
  let directory: string;
  let registry: ProcessRegistry;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'holdfast-others-'));
    chmodSync(directory, 0o755);
    registry = openRegistry(join(directory, 'processes'));
  });
  afterAll(async () => {
    await registry?.stopAll();
    rmSync(directory, { recursive: true, force: true });
  });
  const planOf = async (name: string, path: string) => ({
    name,
    directory: join(directory, name),
    socket: join(directory, `${name}-run`, 's.sock'),
    port: await freePort(),
    serverId: 301,
    path,
    registry,
  });

  it('starts a MySQL of a line after 9.6 on socket and loopback, and it ends by its process id', async () => {
    const plan = await planOf('mysql', mysql.path);
    installMysql(plan);
    const server = await startMysql(plan);
    const connection = await server.connect();
    const [rows] = await connection.query(
      'SELECT VERSION() AS version, @@bind_address AS bind, CURRENT_USER() AS user',
    );
    await connection.end();
    expect(rows).toEqual([
      { version: expect.stringContaining(mysql.version), bind: '127.0.0.1', user: 'root@localhost' },
    ]);
    expect(Number(mysql.version.split('.')[0])).toBeGreaterThanOrEqual(9);
    await server.stop();
    expect(() => process.kill(server.pid, 0)).toThrow('ESRCH');
  });

  it('starts a MariaDB of a line after 11.1 with its own messages', async () => {
    const plan = await planOf('mariadb', mariadb.path);
    installServer(plan);
    const server = await startServer(plan);
    const connection = await server.connect();
    const [rows] = await connection.query('SELECT VERSION() AS version, @@lc_messages_dir AS messages');
    await connection.end();
    expect(rows).toEqual([
      {
        version: expect.stringContaining(`${mariadb.version}-MariaDB`),
        messages: expect.stringContaining('root-'),
      },
    ]);
    await server.stop();
  });
});
