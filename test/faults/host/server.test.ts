import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { decodeManifest } from '../../../contract/formats/codec.ts';
import type { BackupOrder } from '../../../contract/records/job.ts';
import { processesOfRoot } from '../../../infra/local/process-identity.ts';
import { startProbe } from '../../journeys/support/mariadb-pair.ts';
import { onSmallDisk } from '../../journeys/whole-way/small-disk.ts';
import { faultTest } from '../fault-test.ts';
import { expectNoBackup, expectNothingOnHost } from './support/end-state.ts';
import { type Host, startHost } from './support/host.ts';
import { killAtPut } from './support/kill-at-put.ts';
import { seeded } from './support/seeded.ts';

const seed = 1114;

let host: Host;
beforeAll(async () => {
  host = await startHost({ name: 'server', tool: 'real' });
  await host.pair.sql(
    host.pair.primary,
    'CREATE DATABASE shop',
    'CREATE TABLE shop.beat (n INT PRIMARY KEY, at TIMESTAMP(6))',
    'INSERT INTO shop.beat VALUES (0, NOW(6))',
    'CREATE TABLE shop.big (id INT PRIMARY KEY, body MEDIUMTEXT)',
    ...Array.from({ length: 40 }, (_, i) => `INSERT INTO shop.big VALUES (${i}, REPEAT('a', 100000))`),
    'SET sql_log_bin=0',
    'CREATE TABLE probe.slow (n INT) ENGINE=MyISAM',
    'INSERT INTO probe.slow VALUES (1)',
    // Copied while commits are blocked: 12 MB.
    `INSERT INTO mysql.column_stats (db_name, table_name, column_name, histogram) VALUES ${Array.from(
      { length: 6000 },
      (_, i) => `('x', 't${i}', 'c', REPEAT('h', 2000))`,
    ).join(',')}`,
  );
  await host.pair.caughtUp();
});
afterAll(async () => host?.close());
beforeEach(() => host.s3.objects.clear());
afterEach(() => host.hold.letGo());

/** Waits for a line of the job's log. The tool's lines are there as they come. */
async function said(jobId: string, words: RegExp): Promise<void> {
  for (let i = 0; i < 12_000 && !words.test(host.logOf(jobId)); i++) await sleep(5);
  expect(host.logOf(jobId)).toMatch(words);
}

/** An order that has been launched, and its end. */
async function begin(order: BackupOrder) {
  const jobId = order.backupId.replace('b-', 'j-');
  await host.control.order(jobId, order);
  return {
    jobId,
    ended: async () => {
      await host.quiet(jobId);
      await host.settle(jobId);
      return host.control.row(jobId);
    },
  };
}

const toolRuns = (): boolean =>
  processesOfRoot(host.root).some(({ pid }) => {
    const file = `/proc/${pid}/cmdline`;
    return existsSync(file) && readFileSync(file, 'utf8').includes('mariadb-backup');
  });

const writes = () => startProbe(host.pair.primary, 'UPDATE shop.beat SET at = NOW(6)');
const withPolicy = (changes: Partial<BackupOrder['policy']>) =>
  host.orderOf(host.pair.primary, { policy: { ...host.policy, ...changes } });

faultTest(
  ['F11', 'M11'],
  `the runner of a real tool is killed at three random volumes, and the replica applies again (seed ${seed})`,
  async ({ hit, endState }) => {
    const random = seeded(seed);
    for (let round = 1; round <= 3; round++) {
      const order = host.orderOf(host.pair.replica);
      const jobId = order.backupId.replace('b-', 'j-');
      const volume = new RegExp(`/volumes/main/${String(Math.floor(random() * 100)).padStart(6, '0')}`);
      await host.control.order(jobId, order);
      const strike = await killAtPut(host, jobId, volume, round % 2 === 0 ? 'group' : 'process');
      await host.quiet(jobId);
      hit('F11');
      if (/left the applier stopped/.test(host.logOf(jobId))) hit('M11');
      await expectNothingOnHost(host, host.pair.replica);
      await host.settle(jobId, 6);
      await expectNoBackup(host, order);
      expect(await host.control.row(jobId), strike).toMatchObject({ state: 'lost' });
    }
    await endState(async () => expectNothingOnHost(host, host.pair.replica));
  },
);

faultTest(
  ['F14', 'M10'],
  'a tool that waits behind a long query is ended when the lock budget is spent, and writes go on',
  async ({ hit, endState }) => {
    const other = await host.pair.primary.connect();
    await other.query('SET sql_log_bin=0');
    const order = withPolicy({ ddlLockBudgetSeconds: 4 });
    const { jobId, ended } = await begin(order);
    // Begun when the tool has begun, so that nothing before it waits for this table.
    await said(jobId, /Using server version/);
    const long = other.query('UPDATE probe.slow SET n = SLEEP(120)').catch(() => undefined);
    await said(jobId, /Started BACKUP STAGE BLOCK_DDL/);
    const waits = async () =>
      host.pair.sql(
        host.pair.primary,
        "SELECT STATE FROM information_schema.PROCESSLIST WHERE INFO = 'BACKUP STAGE BLOCK_DDL'",
      );
    await expect.poll(waits, { timeout: 4000 }).toEqual([{ STATE: 'Waiting for backup lock' }]);
    hit('F14');
    hit('M10');
    const writer = await writes();
    const row = await ended();
    const { slowestMs, commits } = await writer.stop();
    await endState(async () => {
      expect(row.error).toMatchObject({ name: 'Backup.LockBudget', facts: { blocked: 'DDL' } });
      // A finite wait of the tool's own is never asked for: it fails on any busy server.
      expect(host.logOf(jobId)).not.toMatch(/ftwrl|kill-long-queries/);
      expect(commits).toBeGreaterThan(10);
      // Far below the two minutes of the query that they would wait for.
      expect(slowestMs).toBeLessThan(30_000);
      // The query is production's: it is not what is killed.
      expect(
        await host.pair.sql(
          host.pair.primary,
          `SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = ${other.threadId}`,
        ),
      ).toEqual([{ INFO: 'UPDATE probe.slow SET n = SLEEP(120)' }]);
      await host.pair.sql(host.pair.primary, `KILL QUERY ${other.threadId}`);
      await long;
      await expectNothingOnHost(host, host.pair.primary);
      await expectNoBackup(host, order);
    });
    await other.end();
  },
);

faultTest(
  ['M06'],
  'an upload that stalls while the tool holds its locks holds nobody up: the spool takes it, and the backup is whole',
  async ({ hit, endState }) => {
    const writer = await writes();
    const order = withPolicy({ lockBudgetSeconds: 30 });
    const { jobId, ended } = await begin(order);
    await said(jobId, /Starting BACKUP STAGE FLUSH/);
    host.hold.hold();
    await said(jobId, /All tables unlocked/);
    // All through the lock phase the store has taken nothing, and bytes were waiting for it.
    if (host.hold.caught() > 0) hit('M06');
    host.hold.letGo();
    const row = await ended();
    const { slowestMs } = await writer.stop();
    await endState(async () => {
      expect(row).toMatchObject({ state: 'succeeded' });
      const { metrics } = decodeManifest(host.manifestOf(order)!.bytes);
      expect(metrics.lockSeconds).toBeLessThan(15);
      expect(slowestMs).toBeLessThan(15_000);
      await expectNothingOnHost(host, host.pair.primary);
    });
  },
);

faultTest(
  ['F15', 'M06'],
  'where the spool has no room the tool is killed when its lock budget is spent, and its lock is gone',
  async ({ hit, endState }) => {
    await onSmallDisk(join(host.root, 'small'), async (small) => {
      writeFileSync(join(small, 'filler'), Buffer.alloc(7 * 1024 * 1024));
      host.useSpool(small);
      const order = withPolicy({ lockBudgetSeconds: 2, ddlLockBudgetSeconds: 2 });
      const { jobId, ended } = await begin(order);
      await said(jobId, /Starting BACKUP STAGE FLUSH/);
      host.hold.hold();
      await expect.poll(toolRuns, { timeout: 30_000 }).toBe(false);
      if (host.hold.caught() > 0) {
        hit('F15');
        hit('M06');
      }
      host.hold.letGo();
      const row = await ended();
      host.useSpool(undefined);
      await endState(async () => {
        expect(row.error).toMatchObject({ name: 'Backup.LockBudget', facts: { value: 2 } });
        await host.pair.sql(
          host.pair.primary,
          'SET lock_wait_timeout = 1, sql_log_bin = 0',
          'CREATE TABLE probe.ddl (n INT)',
          'DROP TABLE probe.ddl',
        );
        await expectNothingOnHost(host, host.pair.primary);
        await expectNoBackup(host, order);
      });
    });
  },
);

faultTest(
  ['M07'],
  'a store that stalls under writers until redo is overwritten ends as redo overrun, or the backup is whole',
  async ({ hit, endState }) => {
    const { primary } = host.pair;
    const redo = async (name: string) =>
      Number((await host.pair.sql(primary, `SHOW GLOBAL STATUS LIKE '${name}'`))[0]?.Value);
    await host.pair.sql(primary, 'SET GLOBAL innodb_log_file_size = 20971520');
    const order = withPolicy({});
    const { ended } = await begin(order);
    await expect.poll(() => host.s3.objects.size, { timeout: 20_000, interval: 5 }).toBeGreaterThan(0);
    host.hold.hold();
    const from = await redo('Innodb_lsn_current');
    const writer = await primary.connect();
    await writer.query('SET sql_log_bin=0');
    // Three times the whole log, while the store takes nothing.
    while ((await redo('Innodb_lsn_current')) < from + 3 * 20_971_520) {
      await writer.query('UPDATE shop.big SET body = REPEAT(CHAR(97 + FLOOR(RAND() * 26)), 100000)');
    }
    if (host.hold.caught() > 0) hit('M07');
    host.hold.letGo();
    const row = await ended();
    await writer.end();
    await host.pair.sql(primary, 'SET GLOBAL innodb_log_file_size = 50331648');
    await endState(async () => {
      await expectNothingOnHost(host, primary);
      if (row.state === 'succeeded') {
        expect(decodeManifest(host.manifestOf(order)!.bytes)).toMatchObject({ comparison: 'bounded' });
        return;
      }
      expect(row.error).toMatchObject({ name: 'Backup.RedoOverrun' });
      expect(row.error?.cause).toContain('innodb_log_file_size');
      await expectNoBackup(host, order);
    });
  },
);
