import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import { createConnection } from 'mysql2/promise';
import { describe, expect, it } from 'vitest';
import { decodeManifest } from '../../../contract/formats/codec.ts';
import type { BackupRecord } from '../../../contract/records/backup.ts';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import { freePort } from '../../../infra/local/wait.ts';
import { stopRestored } from '../support/mysql-jobs.ts';
import { deployPolicy } from './policies.ts';
import { waitUntil } from './wait-until.ts';
import { ask, failed, register, run, succeeded, type World } from './world.ts';

const byHand = { v: 1, clusterId: 'shop', reason: 'by hand' };

export function chains(the: () => World): void {
  /** Backups of the cluster that were committed, newest first. */
  const backups = async (): Promise<BackupRecord[]> =>
    (await the().tables.backups('shop'))
      .filter(({ committedAt }) => committedAt !== undefined)
      .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1));
  const backUp = async (input: object = {}) => {
    const { backupId } = succeeded(await run(the(), 'backup', { ...byHand, ...input })) as {
      backupId: string;
    };
    return (await backups()).find((backup) => backup.backupId === backupId)!;
  };
  const manifestOf = async (backupId: string) => {
    const { clients, names } = the().target;
    const Key = `shop/backups/${backupId}/manifest.json`;
    const { Body } = await clients.s3.send(new GetObjectCommand({ Bucket: names.bucket('home'), Key }));
    return decodeManifest((await Body?.transformToByteArray()) ?? new Uint8Array());
  };
  /** A session on the member that is backed up, beside the log: other chapters count that the writer alone commits. */
  const unlogged = async () => {
    const connection = await the().servers.replica.connect();
    await connection.query('SET sql_log_bin = 0');
    return connection;
  };
  /** What the table of these tests holds on a server. */
  const tableOf = async (socketPath: string) => {
    const connection = await createConnection({ socketPath, user: 'root' });
    const [rows] = await connection.query('SELECT id, value FROM chained.t ORDER BY id');
    await connection.end();
    return rows;
  };

  describe('a policy with incrementals', () => {
    let chain: BackupRecord[];

    it('takes a full and incrementals on it, each from where the one before it ends', async () => {
      const { documents } = the();
      const policy = await deployPolicy(the(), 'chained', { method: 'auto', incrementals: { most: 3 } });
      expect(await register(the(), { ...documents.cluster, policy })).toMatchObject({
        outcome: 'registered',
      });
      const connection = await unlogged();
      await connection.query('CREATE DATABASE chained');
      await connection.query('CREATE TABLE chained.t (id INT PRIMARY KEY, value INT)');
      const full = await backUp({ level: 'full' });
      await connection.query('INSERT INTO chained.t VALUES (1, 1), (2, 2)');
      const first = await backUp();
      await connection.query('UPDATE chained.t SET value = 20 WHERE id = 2');
      const second = await backUp();
      await connection.end();
      chain = [full, first, second];
      expect(chain.map(({ level, state, memberId }) => ({ level, state, memberId }))).toEqual(
        ['full', 'incremental', 'incremental'].map((level) => ({
          level,
          state: 'verified',
          memberId: 'replica',
        })),
      );
      expect([first, second].map(({ chain, parent }) => ({ chain, parent }))).toEqual([
        { chain: full.backupId, parent: full.backupId },
        { chain: full.backupId, parent: first.backupId },
      ]);
      expect([first.lsn?.from, second.lsn?.from]).toEqual([full.lsn?.to, first.lsn?.to]);
      const { plan } = await manifestOf(second.backupId);
      // Its names are none that the tool for dumps can write, and a policy that leaves the choice says so.
      expect(second.why).toContainEqual(
        expect.stringContaining('physical all the same, since a dump would not be whole'),
      );
      expect(plan.reasons).toContain(
        `an incremental one: number 2 of at most 3 on the full ${full.backupId}, from LSN ${first.lsn?.to} of ${first.backupId}`,
      );
    });

    it('restores a middle one as what it was then', async () => {
      const [, first] = chain as [BackupRecord, BackupRecord, BackupRecord];
      const directory = join(the().target.hosts.empty.root, `of its "middle"; it's $HOME`);
      const input = { ...restoreInput({ directory, port: await freePort() }), backupId: first.backupId };
      const { socket, comparison } = succeeded(await run(the(), 'restore', input)) as {
        socket: string;
        comparison: string;
      };
      expect(comparison).toBe('exact');
      expect(await tableOf(socket)).toEqual([
        { id: 1, value: 1 },
        { id: 2, value: 2 },
      ]);
      await stopRestored(directory);
    });

    it('comes back by the commands in its manifest, run as printed, without holdfast', async () => {
      const { target, registry } = the();
      const { paths, emulator } = target;
      const { restore } = await manifestOf(chain[2]!.backupId);
      const place = join(paths.run, 'chain by hand');
      mkdirSync(place, { mode: 0o755 });
      const named = { DIR: 'data', TMP: 'tmp', INC: 'inc', NEW: '4000000003' };
      const commands = restore.byHand.map((command) =>
        command.replaceAll(/\b(DIR|TMP|INC|NEW)\b/g, (word) => {
          const name = named[word as keyof typeof named];
          return word === 'NEW' ? name : `"${join(place, name)}"`;
        }),
      );
      const env = {
        ...emulator.environment,
        HOME: '/nonexistent',
        PATH: `${paths.project}/.local/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
      };
      const server = commands.pop() ?? '';
      const { status, stderr } = spawnSync('/bin/sh', ['-ec', commands.join('\n')], {
        cwd: place,
        env,
        encoding: 'utf8',
      });
      expect({ status, stderr: status === 0 ? '' : stderr.slice(-2000) }).toEqual({ status: 0, stderr: '' });
      const started = registry.start('chain by hand', '/bin/sh', ['-c', `exec ${server}`], { env });
      const socket = join(place, 'data/mariadb.sock');
      await waitUntil('the start of the server', async () => existsSync(socket));
      expect(await tableOf(socket)).toEqual([
        { id: 1, value: 1 },
        { id: 2, value: 20 },
      ]);
      await registry.stop(started.pid ?? 0, 30_000);
    });

    it('does not commit what does not build on its parent, and orders a full, which begins the next chain', async () => {
      const { target, tables } = the();
      const [, , parent] = chain as [BackupRecord, BackupRecord, BackupRecord];
      await tables.changeBackup(parent, {
        lsn: { ...parent.lsn!, to: '999999999999', last: '999999999999' },
      });
      const broken = await run(the(), 'backup', byHand);
      failed(
        broken,
        'Backup.ChainBroken',
        parent.backupId,
        'before the 999999999999 at which the parent ends',
      );
      const [attempt] = (await tables.backups('shop')).filter(({ execution }) => execution === broken.arn);
      expect(attempt).toMatchObject({ state: 'failed', level: 'incremental', parent: parent.backupId });
      await expect(
        target.clients.s3.send(
          new HeadObjectCommand({
            Bucket: target.names.bucket('home'),
            Key: `shop/backups/${attempt?.backupId}/manifest.json`,
          }),
        ),
      ).rejects.toMatchObject({ name: 'NotFound' });
      await tables.changeBackup(parent, { lsn: parent.lsn });
      await ask(the(), 'reconcile', {});
      await waitUntil('the ordered full', async () => (await backups())[0]?.level === 'full');
      await waitUntil('its verification', async () => (await backups())[0]?.state === 'verified');
      const [full] = await backups();
      const { plan } = await manifestOf(full!.backupId);
      expect(plan.reasons.join()).toMatch(
        /a full one: the order names the level \(the chain broke: an incremental on /,
      );
      await waitUntil('the end of its execution', async () => (await tables.locks()).length === 0);
      await ask(the(), 'reconcile', {});
      const connection = await unlogged();
      await connection.query('DROP DATABASE chained');
      await connection.end();
      expect(await backUp()).toMatchObject({
        level: 'incremental',
        parent: full!.backupId,
        state: 'verified',
      });
      expect(await register(the(), the().documents.cluster)).toMatchObject({ outcome: 'registered' });
    });
  });
}
