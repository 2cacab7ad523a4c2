import { describe, expect, it } from 'vitest';
import { identify, isAlive, processesOfRoot } from '../../../infra/local/process-identity.ts';
import { applierRuns } from './appliers.ts';
import { policyOfEveryMinute, slotOfThisMinute } from './policies.ts';
import { realTool, runnerOf, withHeldTool, withTools } from './tools.ts';
import { waitUntil } from './wait-until.ts';
import { ask, ended, failed, register, run, succeeded, type World } from './world.ts';

const byHand = { v: 1, clusterId: 'shop', reason: 'by hand' };
const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

export function failing(the: () => World): void {
  const nothingHeld = async () => {
    const { tables } = the();
    expect({
      locks: await tables.locks(),
      leases: await tables.leases(),
      live: await tables.liveJobs(),
    }).toEqual({
      locks: [],
      leases: [],
      live: [],
    });
  };
  const backupOf = async (execution: string) =>
    (await the().tables.backups('shop')).find((backup) => backup.execution === execution);

  describe('a backup that fails', () => {
    it('ends by the name of what its tool did, releases everything, and the next one succeeds', async () => {
      const { target, servers, events } = the();
      // Half a stream, then the end that a full disk or a bug would make.
      const script = `case "$*" in *--version*) exec ${realTool('mariadb-backup')} --version ;; esac
${realTool('mariadb-backup')} "$@" | head -c 3000000
echo "[ERROR] mariadb-backup: out of 'luck'; \\$HOME" >&2
exit 1`;
      const end = await withTools(target.hosts.replica, { scripts: { 'mariadb-backup': script } }, () =>
        run(the(), 'backup', byHand),
      );
      failed(end, 'Backup.ToolFailed', 'with code 1', `out of 'luck'; $HOME`);
      expect(await backupOf(end.arn)).toMatchObject({
        state: 'failed',
        error: { name: 'Backup.ToolFailed' },
      });
      await nothingHeld();
      expect(await applierRuns(servers.replica)).toBe(true);
      await events.seen('Backup Failed', { version: 1, clusterId: 'shop', error: 'Backup.ToolFailed' });
      expect(succeeded(await run(the(), 'backup', byHand))).toMatchObject({ state: 'verified' });
    });

    it('whose runner is killed is lost after five silent minutes, and the next attempt finds the replica in order (F11, M11)', async () => {
      const { target, servers, tables, documents, events } = the();
      const minutely = await policyOfEveryMinute(the());
      expect(await register(the(), { ...documents.cluster, policy: minutely })).toMatchObject({
        outcome: 'registered',
      });
      const slot = await slotOfThisMinute();
      const arn = await withHeldTool(target.hosts.replica, '--backup', async ({ held }) => {
        await run(the(), 'fleet-backup', { v: 1, policy: minutely, slot });
        const tool = identify(await held());
        const [job] = (await tables.liveJobs()).filter(({ order }) => order.kind === 'backup');
        if (!job) throw new Error('no backup runs');
        const pids = processesOfRoot(target.hosts.replica.root).map(({ pid }) => pid);
        expect(await applierRuns(servers.replica)).toBe(false);
        process.kill(runnerOf(job.jobId, pids), 'SIGKILL');
        await waitUntil('the end of the tool', async () => !(tool && isAlive(tool)));
        // The sweep that the launcher runs after every runner does not wait for Reconcile.
        await waitUntil('the applier, started by the sweep', () => applierRuns(servers.replica));

        await ask(the(), 'reconcile', {});
        expect((await tables.liveJobs()).map(({ jobId }) => jobId)).toEqual([job.jobId]);
        await tables.changeJob(job, { beatAt: minutesAgo(6) });
        await ask(the(), 'reconcile', {});
        const end = await ended(the(), job.execution);
        failed(end, 'Job.Lost', job.jobId, 'last beat');
        return job.execution;
      });
      expect(arn.endsWith(`:shop-${slot}-1`)).toBe(true);
      expect(await backupOf(arn)).toMatchObject({ state: 'lost', slot, attempt: 1 });
      await events.seen('Backup Failed', { clusterId: 'shop', slot, attempt: 1, error: 'Job.Lost' });
      await nothingHeld();

      expect(await tables.slot('shop', slot)).toMatchObject({ state: 'failed', attempt: 1 });
      await tables.changeSlot('shop', slot, { closedAt: minutesAgo(15) });
      await ask(the(), 'reconcile', {});
      const second = arn.replace(/-1$/, '-2');
      expect(succeeded(await ended(the(), second))).toMatchObject({ state: 'verified' });
      expect(await applierRuns(servers.replica)).toBe(true);
      expect(await tables.slot('shop', slot)).toMatchObject({ state: 'recorded', attempt: 2 });
      expect(await backupOf(second)).toMatchObject({ slot, attempt: 2, comparison: 'exact' });
      await register(the(), documents.cluster);
    });
  });
}
