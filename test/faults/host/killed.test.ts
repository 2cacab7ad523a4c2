import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { BackupOrder } from '../../../contract/records/job.ts';
import { startServer } from '../../../infra/local/mariadb.ts';
import { readProcess } from '../../../runner/host/process-group.ts';
import { faultTest } from '../fault-test.ts';
import { expectNoBackup, expectNothingOnHost } from './support/end-state.ts';
import { type Host, startHost } from './support/host.ts';
import { killAtPut } from './support/kill-at-put.ts';
import { seeded } from './support/seeded.ts';

const seed = 1111;
const rounds = 50;

let host: Host;
beforeAll(async () => {
  host = await startHost({ name: 'killed', tool: 'double' });
  await host.pair.sql(
    host.pair.replica,
    'SET sql_log_bin=0',
    'CREATE TABLE probe.slow (n INT) ENGINE=MyISAM',
    'INSERT INTO probe.slow VALUES (1)',
  );
});
afterAll(async () => host?.close());
beforeEach(() => {
  host.tool.misbehave(undefined);
  host.s3.objects.clear();
});

/** Where the runner of a round is killed: at a part of its tool's stream, or when it puts an object after it. */
type Round = { whole: 'process' | 'group' } & ({ at: number } | { putting: RegExp });

function roundOf(random: () => number): Round {
  const whole = random() < 0.5 ? 'process' : 'group';
  const at = random() * 1.2;
  if (at <= 1) return { whole, at };
  const kinds = [/\/index\//, /\/log\//, /manifest\.json$/] as const;
  return { whole, putting: kinds[Math.floor(random() * kinds.length)]! };
}

/** Kills the runner of one backup there and answers what has struck. */
async function killIn(round: Round, order: BackupOrder): Promise<{ jobId: string; strike: string }> {
  if ('at' in round) {
    host.tool.misbehave({ do: 'kill-runner', at: round.at, whole: round.whole });
    const { jobId } = await host.run(order);
    return { jobId, strike: host.tool.strikes().join() };
  }
  host.tool.misbehave(undefined);
  const jobId = order.backupId.replace('b-', 'j-');
  await host.control.order(jobId, order);
  const strike = await killAtPut(host, jobId, round.putting, round.whole);
  await host.quiet(jobId);
  return { jobId, strike };
}

faultTest(
  ['F11', 'M11'],
  `a runner killed at ${rounds} random moments leaves nothing on its host and nothing in control (seed ${seed})`,
  async ({ hit, endState }) => {
    const random = seeded(seed);
    for (let n = 1; n <= rounds; n++) {
      const round = roundOf(random);
      const order = host.orderOf(host.pair.replica);
      const { jobId, strike } = await killIn(round, order);
      const log = host.logOf(jobId);
      const optionFile = /^kill-runner at \d+, with (.*)$/.exec(strike)?.[1];
      if (strike.startsWith(optionFile ? 'kill-runner' : 'put ')) hit('F11');
      // The applier was stopped by the runner and started by the sweep.
      if (/"applier stopped"/.test(log) && /left the applier stopped/.test(log)) hit('M11');

      const found = `round ${n} of seed ${seed}: ${strike}`;
      const row = await host.control.row(jobId);
      expect(['claimed', 'committing'], found).toContain(row.state);
      if (optionFile) expect(existsSync(optionFile), found).toBe(false);
      await expectNothingOnHost(host, host.pair.replica);
      expect((await host.settle(jobId, 16)).counts, found).toMatchObject({ jobsLost: 1, holdersFreed: 1 });
      await expectNoBackup(host, order);
      expect(host.tasks.calls.at(-1), found).toMatchObject({ action: 'SendTaskFailure', error: 'Job.Lost' });
    }
    await endState(async () => {
      await expectNothingOnHost(host, host.pair.replica);
      expect(await host.control.catalog.locks.list()).toEqual([]);
    });
  },
  600_000,
);

faultTest(
  ['F11'],
  'a tool that waits behind a long query when its runner is killed waits no longer, and nobody behind it',
  async ({ hit, endState }) => {
    const other = await host.pair.replica.connect();
    const writer = await host.pair.replica.connect();
    for (const session of [other, writer]) await session.query('SET sql_log_bin=0');
    const long = other.query('UPDATE probe.slow SET n = SLEEP(120)').catch(() => undefined);
    host.tool.misbehave({ do: 'kill-waiting' });
    const order = host.orderOf(host.pair.replica);
    const { jobId } = await host.run(order);
    if (host.tool.strikes().includes('waiting for BLOCK_DDL')) hit('F11');
    await host.settle(jobId, 6);
    await endState(async () => {
      // The server looks every second whether the client of a waiting session is still there.
      const sessions = async () =>
        host.pair.sql(
          host.pair.replica,
          `SELECT INFO FROM information_schema.PROCESSLIST WHERE ID = ${other.threadId} OR INFO LIKE 'BACKUP STAGE %'`,
        );
      await expect
        .poll(sessions, { timeout: 30_000 })
        .toEqual([{ INFO: 'UPDATE probe.slow SET n = SLEEP(120)' }]);
      const started = performance.now();
      await writer.query('INSERT INTO probe.t VALUES (1)');
      // The query itself, for which all others would wait, takes minutes.
      expect(performance.now() - started).toBeLessThan(20_000);
      await writer.query(`KILL QUERY ${other.threadId}`);
      await long;
      await expectNothingOnHost(host, host.pair.replica);
      await expectNoBackup(host, order);
    });
    await other.end();
    await writer.end();
  },
);

faultTest(
  ['F12', 'M11'],
  'after a restart of the host the lost job is told as lost, and what stands there from before holds nobody',
  async ({ hit, endState }) => {
    const lost = host.orderOf(host.pair.replica);
    host.tool.misbehave({ do: 'hang', at: 0.5 });
    const jobId = await host.orderByHand(lost);
    const runner = host.startRunner(jobId);
    await expect.poll(() => host.tool.strikes().length, { timeout: 20_000 }).toBe(1);
    expect(await host.applies()).toBe(false);
    // The power goes: nobody is left who could clear up.
    process.kill(-runner.pid, 'SIGKILL');
    await host.pair.replica.kill();
    await runner.ended;
    await host.quiet(jobId);
    // What lay in memory is gone; what lies on disk names processes of before, whose numbers others have now.
    const work = join(host.root, 'work');
    const [lock] = readdirSync(work).filter((name) => name.endsWith('.lock'));
    const now = readProcess(process.pid)!.startTime;
    writeFileSync(join(work, lock!), `${process.pid} 1${now}`);
    const [name] = readdirSync(join(host.root, 'state/applier'));
    const marker = join(host.root, 'state/applier', name!);
    const written = JSON.parse(readFileSync(marker, 'utf8'));
    writeFileSync(marker, JSON.stringify({ ...written, runner: { pid: process.pid, startTime: `1${now}` } }));
    for (const left of readdirSync(work)) if (left !== lock) rmSync(join(work, left), { recursive: true });
    host.pair.replica.pid = (await startServer(host.pair.replica)).pid;
    await host.pair.sql(host.pair.replica, 'START SLAVE IO_THREAD');
    if (written.channels.length === 1 && !(await host.applies())) {
      hit('F12');
      hit('M11');
    }

    host.tool.misbehave(undefined);
    expect((await host.settle(jobId, 6)).counts).toMatchObject({ jobsLost: 1, holdersFreed: 1 });
    const next = host.orderOf(host.pair.replica);
    const { row, jobId: nextId } = await host.run(next);
    await host.settle(nextId);
    await endState(async () => {
      await expectNoBackup(host, lost);
      expect(row).toMatchObject({ state: 'succeeded' });
      expect(host.manifestOf(next)).toBeDefined();
      await expectNothingOnHost(host, host.pair.replica);
    });
  },
);

faultTest(
  ['F13'],
  'of two runners that are started for one job at once, one does it and the other ends well',
  async ({ hit, endState }) => {
    const order = host.orderOf(host.pair.replica);
    const jobId = await host.orderByHand(order);
    const ends = await Promise.all([host.startRunner(jobId).ended, host.startRunner(jobId).ended]);
    await host.settle(jobId);
    const second = ends.find(({ log }) =>
      /another runner on this host has this job|"the job is (claimed|committing|succeeded)"/.test(log),
    );
    if (second) hit('F13');
    await endState(async () => {
      expect(ends.map(({ code }) => code)).toEqual([0, 0]);
      expect(second!.log).not.toContain('"claimed"');
      expect(await host.control.row(jobId)).toMatchObject({ state: 'succeeded' });
      expect([...host.s3.objects.keys()].filter((key) => key.includes('/index/'))).toHaveLength(1);
      await expectNothingOnHost(host, host.pair.replica);
    });
  },
);

it('the next backup after all of this is whole', async () => {
  const order = host.orderOf(host.pair.replica);
  const { row, jobId } = await host.run(order);
  await host.settle(jobId);
  expect(row).toMatchObject({ state: 'succeeded' });
});
