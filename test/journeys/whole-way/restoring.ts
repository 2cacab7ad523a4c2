import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BackupRecord } from '../../../contract/records/backup.ts';
import type { PlannedRestore } from '../../../functions/restore/plan-restore.ts';
import type { RecordRestoreAnswer } from '../../../functions/restore/record-restore.ts';
import { waitUntilArchived } from '../../../infra/local/archiving.ts';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import { identify, isAlive, processesOfRoot } from '../../../infra/local/process-identity.ts';
import { compareServers, type ServerFacts } from '../../../infra/local/proof.ts';
import { freePort } from '../../../infra/local/wait.ts';
import type { WriterReport } from '../../../infra/local/writer.ts';
import { archiveOf, sequenceOf } from './archiving.ts';
import { askTyped, type Own, startTyped } from './restore-commands.ts';
import { runnerOf, withHeldTool } from './tools.ts';
import { waitUntil } from './wait-until.ts';
import { ask, ended, failed, run, succeeded, type World } from './world.ts';

/** Every difference between a restored server and what was noted of the cluster and by its writer; none when it is the same. */
export async function differences(
  restored: { socket: string; gtid: string },
  source: ServerFacts,
  writer: WriterReport,
): Promise<unknown[]> {
  const { socket: socketPath, gtid: position } = restored;
  const connection = await createConnection({ socketPath, user: 'root', charset: 'utf8mb4' });
  const comparisons = await compareServers({ source, restored: connection, writer, position });
  await connection.end();
  expect(comparisons.length).toBeGreaterThan(10);
  return comparisons.filter((comparison) => !comparison.equal);
}

export function restoring(the: () => World): void {
  describe('bringing back a database that was lost after somebody had dropped a table', () => {
    /** A moment before the mistake, the mistake, and what the writer knows of its last commits. */
    let before: Date;
    let mistake: string;
    let lost: WriterReport;
    let chain: BackupRecord[];

    const request = async (until: unknown, name: string, change: object = {}) => {
      const directory = join(the().target.hosts.empty.root, name);
      return { ...restoreInput({ directory, port: await freePort() }), until, ...change };
    };
    type Restored = RecordRestoreAnswer & { position: { gtid: string } };
    /** A restore onto the empty host by the command that is printed behind a sentence. */
    const restored = async (sentence: string, name: string, own: Own = {}) => {
      const at = { directory: join(the().target.hosts.empty.root, name), port: await freePort() };
      return succeeded(await ended(the(), await startTyped(the(), sentence, { ...at, ...own }))) as Restored;
    };
    /** The plan alone, as whoever restores at night asks for it first. */
    const look = async (until: unknown, change: object = {}) => {
      const input = await request(until, 'never', change);
      const plan = (await ask(the(), 'plan-restore', { execution: 'look', input })) as PlannedRestore;
      expect(plan).toMatchObject({ outcome: 'planned' });
      return plan;
    };
    const held = async () => [...(await the().tables.locks()), ...(await the().tables.pins())];

    beforeAll(async () => {
      const { servers, writer, target, tables } = the();
      const backups = await tables.backups('shop');
      const last = backups
        .filter(({ level, state }) => level === 'incremental' && state === 'verified')
        .toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1))
        .at(-1)!;
      chain = backups.filter(({ backupId }) => backupId === last.parent).concat(last);
      before = new Date();
      await sleep(2000);
      const connection = await servers.primary.connect('shop');
      await connection.query('DROP TABLE counters');
      const [rows] = await connection.query('SELECT @@last_gtid AS gtid');
      mistake = (rows as { gtid: string }[])[0]!.gtid;
      await connection.end();
      await waitUntilArchived(target, sequenceOf(mistake) + 20);
      await servers.primary.kill();
      lost = await writer.ended;
      rmSync(servers.primary.datadir, { recursive: true });
    });

    it('is planned exactly, with what was stored of the log since the last pass of Reconcile', async () => {
      const recorded = (await archiveOf(the()))?.newest?.end.gtid ?? '';
      expect(sequenceOf(recorded) || 0).toBeLessThan(sequenceOf(mistake));
      const [all, upTo, without, time] = await Promise.all([
        look('latest'),
        look({ gtid: mistake }),
        look({ beforeGtid: mistake }),
        askTyped<PlannedRestore>(the(), '## What it would be', { time: before.toISOString() }),
      ]);
      expect(sequenceOf(all.log!.until.gtid)).toBeGreaterThanOrEqual(sequenceOf(mistake) + 20);
      expect(upTo.log!.until.gtid).toBe(mistake);
      expect(sequenceOf(without.log!.until.gtid)).toBe(sequenceOf(mistake) - 1);
      expect(sequenceOf(time.log!.until.gtid)).toBeLessThan(sequenceOf(mistake));
      for (const { predictedSeconds, log } of [all, upTo, without, time]) {
        expect(predictedSeconds).toBeGreaterThan(0);
        expect(log).toMatchObject({
          segments: expect.any(Number),
          first: expect.stringMatching(/^shop\/logs\//),
        });
      }
    });

    it('is refused to points that cannot be had, with the nearest that can, holding nothing', async () => {
      const hour = 3_600_000;
      const refused = async (until: unknown, error: string, ...words: string[]) =>
        failed(await run(the(), 'restore', await request(until, 'never')), error, 'until', ...words);
      await Promise.all([
        refused(
          { time: new Date(Date.now() + hour).toISOString() },
          'Restore.PointOutside',
          'not archived yet',
          'ask for {"time":',
        ),
        refused(
          { time: '2001-01-01T00:00:00Z' },
          'Restore.PointOutside',
          'before the archive begins',
          'begins at',
        ),
        refused({ gtid: '0-101-99999999' }, 'Restore.PointOutside', 'not in the archived log', 'reaches to'),
        refused({ gtid: '7-7-7' }, 'Restore.PointOutside', 'not in the archived log', 'reaches to'),
        refused({ gtid: mistake, timeline: 'another' }, 'Restore.PointOutside', 'has the timelines'),
        refused({ time: 'last night' }, 'Input.Invalid'),
      ]);
      expect(await held()).toEqual([]);
    });

    it('that is killed in the middle leaves nothing that could be started, and lets go of target, backups and log', async () => {
      const { target, tables } = the();
      const input = await request({ gtid: mistake }, 'killed halfway', { backupId: chain[1]!.backupId });
      const { directory } = input.target;
      const own = { ...input.target, backupId: input.backupId, gtid: mistake };
      await withHeldTool(target.hosts.empty, '--prepare', async ({ held: stopped }) => {
        const arn = await startTyped(the(), 'Up to one transaction and with it', own);
        const tool = identify(await stopped());
        const pins = (await tables.catalog()).filter(({ pk }) => pk === 'PIN');
        expect(pins.map(({ backupId }) => backupId).toSorted()).toEqual(
          chain.map(({ backupId }) => backupId).toSorted(),
        );
        const segment = expect.stringMatching(/^shop\/logs\/main\/.*\.segment$/);
        for (const pin of pins)
          expect(pin).toMatchObject({ execution: arn, log: { set: 'main', first: segment, last: segment } });
        expect(await tables.locks()).toHaveLength(1);
        failed(await run(the(), 'restore', input), 'Restore.TargetBusy', directory, arn);

        const [job] = (await tables.liveJobs()).filter(({ order }) => order.kind === 'restore');
        const pids = processesOfRoot(target.hosts.empty.root).map(({ pid }) => pid);
        process.kill(runnerOf(job!.jobId, pids), 'SIGKILL');
        await waitUntil('the end of the tool', async () => !(tool && isAlive(tool)));
        await tables.changeJob(job!, { beatAt: new Date(Date.now() - 6 * 60_000).toISOString() });
        await ask(the(), 'reconcile', {});
        failed(await ended(the(), arn), 'Job.Lost', job!.jobId);
      });
      for (const name of ['mysql', 'ibdata1', 'my.cnf'])
        expect(existsSync(join(directory, name))).toBe(false);
      expect(await held()).toEqual([]);
    });

    it('comes back to just before the mistake, to a time, and whole, from fulls and incrementals, with exactly the commits of each point', async () => {
      const { facts, events, tables } = the();
      const [without, time, all] = await Promise.all([
        restored('Just before one transaction', 'before it', {
          gtid: mistake,
          backupId: chain[1]?.backupId,
        }),
        restored('As it was at a time', 'to a time', { time: before.toISOString() }),
        restored('Everything, up to the last', 'all of it'),
      ]);
      const dropped = new Map([...facts].filter(([table]) => table !== 'shop.counters'));
      for (const [answer, source] of [
        [without, facts],
        [time, facts],
        [all, dropped],
      ] as const) {
        const { socket, position, log, replay, comparison } = answer;
        expect({ comparison, reached: replay?.reached.gtid }).toEqual({
          comparison: 'exact',
          reached: position.gtid,
        });
        expect(log).toMatchObject({ until: { gtid: position.gtid }, segments: expect.any(Number) });
        expect(answer.predictedSeconds).toBeGreaterThan(0);
        expect(await differences({ socket, gtid: position.gtid }, source, lost)).toEqual([]);
      }
      expect(sequenceOf(without.position.gtid)).toBe(sequenceOf(mistake) - 1);
      expect(without.backupId).toBe(chain[1]!.backupId);
      expect(time.backupId).not.toBe(chain[1]!.backupId);
      // Of MariaDB's commits near a time some may be later: what is taken of them is counted.
      const at = (gtid: string) =>
        lost.history.filter((commit) => sequenceOf(commit.gtid) <= sequenceOf(gtid));
      const byThen = lost.history.filter((commit) => commit.at <= before.getTime()).length;
      const taken = at(time.position.gtid).length;
      expect(taken).toBeGreaterThanOrEqual(byThen);
      expect(taken - byThen).toBeLessThanOrEqual(time.log!.perhapsLater);

      const { socket, serverId, port, backupId, directory } = without;
      const connection = await createConnection({ socketPath: socket, user: 'root' });
      const [identity] = await connection.query(
        `SELECT @@server_id AS id, @@read_only AS readOnly, @@event_scheduler AS events,
          @@bind_address AS bound, @@port AS port`,
      );
      const [replication] = await connection.query('SHOW ALL SLAVES STATUS');
      await connection.end();
      expect(identity).toEqual([{ id: serverId, readOnly: 1, events: 'OFF', bound: '127.0.0.1', port }]);
      expect([101, 102]).not.toContain(serverId);
      expect(replication).toEqual([]);
      await events.seen('Restore Completed', { version: 1, clusterId: 'shop', backupId, directory });
      const proven = (await tables.backups('shop')).find((backup) => backup.backupId === backupId);
      expect(proven).toMatchObject({ state: 'proven' });
      expect(await held()).toEqual([]);
      const again = await request('latest', 'before it');
      failed(await run(the(), 'restore', again), 'Restore.DirectoryNotEmpty', directory, 'my.cnf');
    });
  });
}
