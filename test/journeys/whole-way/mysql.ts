import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { createConnection } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeManifest } from '../../../contract/formats/codec.ts';
import type { ArchiveEnd } from '../../../contract/records/agent.ts';
import { xtrabackupSettingsSchema } from '../../../contract/records/tool-settings.ts';
import { localHostIds } from '../../../infra/local/local-hosts.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { installXtrabackup } from '../../doubles/xtrabackup/install.ts';
import { type MysqlPair, startMysqlPair } from '../../servers/mysql-pair.ts';
import { unstable } from '../../servers/unstable.ts';
import { stopRestored } from '../support/mysql-jobs.ts';
import { deployPolicy } from './policies.ts';
import { ask, register, run, succeeded, type World } from './world.ts';

const clusterId = 'mysql-shop';
const others = await unstable();
const places = ['primary', 'replica'] as const;

/** A MySQL pair beside the MariaDB one, on the same hosts, with XtraBackup's double for the tool. */
export function mysqlToo(the: () => World): void {
  describe.skipIf(others.missing !== null)('a cluster of MySQL', () => {
    const { mysql } = others as Extract<typeof others, { missing: null }>;
    let pair: MysqlPair;
    let cluster: object | undefined;
    /** Everything up to the last transaction that somebody wanted. */
    let wanted: string;
    const settingsBefore = new Map<string, string>();

    const backups = async () => (await the().tables.backups(clusterId)) as { backupId: string }[];
    const backUp = async () => {
      const order = { v: 1, clusterId, reason: 'by hand' };
      const { backupId } = succeeded(await run(the(), 'backup', order)) as { backupId: string };
      return (await backups()).find((backup) => backup.backupId === backupId)!;
    };
    const stored = async (prefix: string) => {
      const { clients, names } = the().target;
      const list = new ListObjectsV2Command({ Bucket: names.bucket('home'), Prefix: prefix });
      return ((await clients.s3.send(list)).Contents ?? []).map(({ Key = '' }) => Key.slice(prefix.length));
    };
    const manifestOf = async (backupId: string) => {
      const { clients, names } = the().target;
      const Key = `${clusterId}/backups/${backupId}/manifest.json`;
      const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: names.bucket('home'), Key }));
      return decodeManifest((await Body?.transformToByteArray()) ?? new Uint8Array());
    };
    const written = async () => {
      const [row] = await pair.sql(pair.primary, 'SELECT @@GLOBAL.gtid_executed AS gtid');
      return String(row?.gtid).replace(/\s/g, '');
    };
    /** Passes of Reconcile until the archive holds what was written by then. */
    const archivedTo = async (gtid: string) => {
      for (const until = Date.now() + 60_000; ; await sleep(500)) {
        await ask(the(), 'reconcile', {});
        const found = (await the().tables.catalog()).find(
          ({ pk, sk }) => pk === 'ARCHIVE' && sk === `${clusterId}#main`,
        ) as { state: string; newest: ArchiveEnd | null } | undefined;
        if (found?.state === 'archiving' && found.newest?.end.gtid === gtid) return;
        if (Date.now() > until) throw new Error(`the archive stays ${JSON.stringify(found)}, not at ${gtid}`);
      }
    };
    const rowsOf = async (socketPath: string) => {
      const connection = await createConnection({ socketPath, user: 'root' });
      const [rows] = await connection.query('SELECT id, value FROM shop.t ORDER BY id');
      await connection.end();
      return (rows as { id: number; value: number }[]).map(({ id, value }) => [id, value]);
    };

    beforeAll(async () => {
      pair = await startMysqlPair('deployed', mysql.path, {
        'plugin-load-add': 'auth_socket.so;mysql_clone.so',
      });
      const { directory } = installXtrabackup(join(pair.directory, 'tool'), '9.7.2-2');
      const path = [directory, ...mysql.path.split(':')];
      for (const { root } of Object.values(the().target.hosts)) {
        const file = join(root, 'etc/runner.json');
        settingsBefore.set(file, readFileSync(file, 'utf8'));
        writeFileSync(file, JSON.stringify({ ...JSON.parse(settingsBefore.get(file)!), path }));
      }
      await pair.sql(
        pair.primary,
        'CREATE DATABASE shop',
        'CREATE TABLE shop.t (id INT PRIMARY KEY, value INT)',
        'INSERT INTO shop.t VALUES (1, 1), (2, 2)',
      );
      await pair.caughtUp();
    });
    afterAll(async () => {
      if (cluster !== undefined) await register(the(), { ...cluster, retired: true });
      for (const [file, text] of settingsBefore) writeFileSync(file, text);
      await pair?.close();
    });

    it('is registered, and its replica backed up into several streams, verified and recorded', async () => {
      const policy = await deployPolicy(the(), 'mysql', {
        incrementals: { most: 3 },
        logs: { archive: true, intervalSeconds: 2 },
        xtrabackup: xtrabackupSettingsSchema.parse({ fifoStreams: 2 }),
        toolThreads: 2,
        // The double holds the lock while its server clones itself.
        lockBudgetSeconds: 120,
      });
      const members = places.map((name) => ({
        memberId: name,
        hostId: localHostIds[name],
        socket: pair[name].socket,
        port: pair[name].port,
        datadir: pair[name].datadir,
        defaultsFile: pair[name].defaultsFile,
        credential: { kind: 'socket' },
      }));
      cluster = { clusterId, engine: 'mysql', flavour: 'mysql', policy, homeSite: 'home', members };
      expect(await register(the(), cluster)).toMatchObject({ outcome: 'registered' });
      // By the agents, which are up and have told what their hosts run.
      await archivedTo(await written());

      const full = await backUp();
      expect(full).toMatchObject({
        state: 'verified',
        level: 'full',
        memberId: 'replica',
        comparison: 'exact',
        toolVersion: '9.7.2-2',
        serverVersion: expect.stringContaining(mysql.version),
      });
      const volumes = await stored(`${clusterId}/backups/${full.backupId}/volumes/`);
      expect(new Set(volumes.map((key) => key.split('/')[0]))).toEqual(new Set(['fifo-0', 'fifo-1']));
      const receipts = await stored(`receipts/${clusterId}/${full.backupId}/`);
      expect(receipts.map((key) => key.split('-').at(-1)).sort()).toEqual([
        'committed.json',
        'verified.json',
      ]);
      const { plan, tool } = await manifestOf(full.backupId);
      const called = plan.reasons.find((reason) => reason.startsWith('the tool is called as: xtrabackup'));
      expect(called).toMatch(
        /--lock-ddl=ON .*--fifo-streams=2 --fifo-dir=<private>\/fifo --fifo-timeout=60$/,
      );
      expect(tool.arguments).toContain('--fifo-streams=2');
    });

    it('has an incremental taken on its full, and its log archived as it is written', async () => {
      await pair.sql(pair.primary, 'UPDATE shop.t SET value = 20 WHERE id = 2');
      await pair.caughtUp();
      const incremental = await backUp();
      const [full] = (await backups()).toSorted((a, b) => (a.backupId < b.backupId ? -1 : 1));
      expect(incremental).toMatchObject({ state: 'verified', level: 'incremental', parent: full!.backupId });
      await pair.sql(pair.primary, 'INSERT INTO shop.t VALUES (3, 3)');
      wanted = await written();
      await pair.sql(pair.primary, 'DELETE FROM shop.t');
      await archivedTo(await written());
    });

    it('comes back as its chain, proven equal and cut off, and goes on in the log to before what nobody wanted', async () => {
      const directory = join(the().target.hosts.empty.root, 'mysql restored');
      const target = { hostId: localHostIds.empty, directory, port: await freePort() };
      const gtid = wanted.replace(/:\d+-(\d+)$/, ':$1');
      const input = { v: 1, clusterId, backupId: 'latest', target, until: { gtid } };
      const restored = succeeded(await run(the(), 'restore', input)) as {
        socket: string;
        state: string;
        comparison: string;
        position: { gtid: string };
      };
      expect(restored).toMatchObject({ comparison: 'exact', state: 'proven', position: { gtid: wanted } });
      expect(await rowsOf(restored.socket)).toEqual([
        [1, 1],
        [2, 20],
        [3, 3],
      ]);
      await stopRestored(directory);
      rmSync(directory, { recursive: true });
      expect([...(await the().tables.locks()), ...(await the().tables.pins())]).toEqual([]);
    });
  });
}
