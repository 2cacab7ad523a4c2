import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { installServer, type MariadbServer, startServer } from '../../../infra/local/mariadb.ts';
import { primaryOptions } from '../../../infra/local/replication.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { withHeldTool } from './tools.ts';
import { ended, failed, register, run, start, succeeded, type World } from './world.ts';

const lean = { 'innodb-buffer-pool-size': '32M', 'innodb-log-file-size': '16M' };

/** A server without a replica, on the host that was empty so far, with one table outside its data directory. */
async function startLonePrimary({ target, registry }: World): Promise<MariadbServer> {
  const { paths, hosts } = target;
  const plan = {
    name: 'lone',
    directory: join(hosts.empty.root, 'mariadb'),
    socket: join(paths.sockets, 'lone.sock'),
    port: await freePort(),
    serverId: 201,
    options: { ...primaryOptions, ...lean },
    registry,
  };
  installServer(plan);
  const server = await startServer(plan);
  const outside = join(hosts.empty.root, 'out side');
  mkdirSync(outside);
  const { uid, gid } = statSync(server.datadir);
  chownSync(outside, uid, gid);
  const connection = await server.connect();
  await connection.query('CREATE DATABASE lone');
  await connection.query('CREATE TABLE lone.inside (id INT PRIMARY KEY)');
  await connection.query(`CREATE TABLE lone.far (id INT PRIMARY KEY) DATA DIRECTORY = '${outside}'`);
  for (const table of ['inside', 'far']) {
    await connection.query(`INSERT INTO lone.${table} SELECT seq FROM lone.seq_1_to_1000`);
  }
  await connection.end();
  return server;
}

export function lonePrimary(the: () => World): void {
  describe('a primary without a replica', () => {
    it('is backed up within bounds when somebody writes meanwhile, and the record says so', async () => {
      const { target, documents, tables } = the();
      const { account, region } = target.settings.control;
      const host = { hostId: localHostIds.empty, account, region, purposes: ['restore', 'database'] };
      expect(await register(the(), host)).toMatchObject({ outcome: 'registered' });
      const server = await startLonePrimary(the());
      const { socket, port, datadir, defaultsFile } = server;
      const member = { memberId: 'one', hostId: localHostIds.empty, socket, port, datadir, defaultsFile };
      const cluster = {
        ...documents.cluster,
        clusterId: 'lone',
        members: [{ ...member, credential: { kind: 'socket' } }],
      };
      expect(await register(the(), cluster)).toMatchObject({ outcome: 'registered' });
      const end = await withHeldTool(target.hosts.empty, '--backup', async ({ held, letGo }) => {
        const arn = await start(the(), 'backup', { v: 1, clusterId: 'lone' });
        await held();
        const connection = await server.connect('lone');
        await connection.query('INSERT INTO inside VALUES (1001)');
        await connection.end();
        letGo();
        return ended(the(), arn);
      });
      const { backupId } = succeeded(end) as { backupId: string };
      const [backup] = await tables.backups('lone');
      expect(backup).toMatchObject({ backupId, memberId: 'one', state: 'verified', comparison: 'bounded' });
    });

    it('is not restored while it has tables outside its data directory (M18)', async () => {
      const input = restoreInput({ directory: join(the().target.hosts.empty.root, 'never'), port: 20_999 });
      const end = await run(the(), 'restore', { ...input, clusterId: 'lone' });
      failed(end, 'Restore.OutsideDatadir', 'out side/lone/far.ibd', 'move them into the data directory');
    });
  });
}
