import { chownSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import type { RecordTablesAnswer } from '../../../functions/restore/record-restore.ts';
import { agentsSay, startAgent, waitUntilArchived } from '../../../infra/local/archiving.ts';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { installServer, type MariadbServer, startServer } from '../../../infra/local/mariadb.ts';
import { primaryOptions } from '../../../infra/local/replication.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { stopRestored } from '../support/mysql-jobs.ts';
import { sequenceOf } from './archiving.ts';
import { deployPolicy } from './policies.ts';
import { withHeldTool } from './tools.ts';
import { waitUntil } from './wait-until.ts';
import { ask, ended, failed, register, run, start, succeeded, type World } from './world.ts';

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
    let server: MariadbServer;
    let cluster: object;

    it('is backed up within bounds when somebody writes meanwhile, and the record says so', async () => {
      const { target, documents, tables } = the();
      const { account, region } = target.settings.control;
      const host = { hostId: localHostIds.empty, account, region, purposes: ['restore', 'database'] };
      expect(await register(the(), host)).toMatchObject({ outcome: 'registered' });
      server = await startLonePrimary(the());
      const { socket, port, datadir, defaultsFile } = server;
      const member = { memberId: 'one', hostId: localHostIds.empty, socket, port, datadir, defaultsFile };
      cluster = {
        ...documents.cluster,
        clusterId: 'lone',
        members: [{ ...member, credential: { kind: 'socket' } }],
      };
      expect(await register(the(), cluster)).toMatchObject({ outcome: 'registered' });
      await ask(the(), 'reconcile', {});
      startAgent(the().registry, target.hosts.empty);
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

    it('is dumped where its policy leaves the method to the size, and says why in execution and catalog', async () => {
      const connection = await server.connect('lone');
      await connection.query('DROP TABLE far');
      await connection.end();
      const policy = await deployPolicy(the(), 'by-size', { method: 'auto' });
      expect(await register(the(), { ...cluster, policy })).toMatchObject({ outcome: 'registered' });
      const answer = succeeded(await run(the(), 'backup', { v: 1, clusterId: 'lone' }));
      const reason = 'the policy by-size leaves the method to the size';
      const why = expect.arrayContaining([
        expect.stringMatching(`^${reason}: .* are under 18 GB; the last backup was physical$`),
      ]);
      expect(answer).toMatchObject({ state: 'verified', method: 'logical', level: 'full', why });
      const { backupId } = answer as { backupId: string };
      const dump = (await the().tables.backups('lone')).find((backup) => backup.backupId === backupId);
      expect(dump).toMatchObject({ method: 'logical', comparison: 'exact', why });
    });

    it('comes back from the dump whole, and by the table beside the live one, with all that was archived behind it', async () => {
      const { target } = the();
      const { hosts } = target;
      const connection = await server.connect('lone');
      await connection.query('INSERT INTO inside VALUES (1002)');
      const [rows] = await connection.query('SELECT @@last_gtid AS gtid');
      await connection.end();
      await waitUntil('the order to archive', async () => {
        await ask(the(), 'reconcile', {});
        return (await agentsSay(target)).some(({ clusterId, archive }) => clusterId === 'lone' && archive);
      });
      await waitUntilArchived(target, sequenceOf((rows as { gtid: string }[])[0]!.gtid), 'lone');
      const at = async (name: string) => ({
        directory: join(hosts.empty.root, name),
        port: await freePort(),
      });
      const of = { clusterId: 'lone', until: 'latest' };
      const input = { ...restoreInput(await at('of a dump')), ...of };
      const table = { ...restoreInput(await at('of one table')), ...of };
      const [whole, one] = await Promise.all([
        run(the(), 'restore', input),
        run(the(), 'restore', { ...table, tables: ['lone.inside'], into: 'one' }),
      ]);
      expect(succeeded(whole)).toMatchObject({ comparison: 'exact', state: 'proven', tables: 1, rows: 1001 });
      const { restored } = succeeded(one) as RecordTablesAnswer;
      expect(restored).toMatchObject([{ table: 'inside', rows: 1002 }]);
      const { socket } = succeeded(whole) as { socket: string };
      const sum = async (connection: Connection, name: string) => {
        const [rows] = await connection.query(`SELECT COUNT(*) AS n, SUM(id) AS sum FROM lone.\`${name}\``);
        await connection.end();
        return rows;
      };
      const all = [{ n: 1002, sum: '502503' }];
      expect(await sum(await createConnection({ socketPath: socket, user: 'root' }), 'inside')).toEqual(all);
      expect(await sum(await server.connect(), restored[0]!.as)).toEqual(all);
      await stopRestored(input.target.directory);
    });
  });
}
