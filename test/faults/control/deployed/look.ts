import { expect } from 'vitest';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import type { JobRow } from '../../../../contract/records/job.ts';
import { processesOfRoot } from '../../../../infra/local/process-identity.ts';
import { noFaults, type SsmFaults, type StrikingFault } from '../../../../infra/local/ssm-commands.ts';
import { applierRuns } from '../../../journeys/whole-way/appliers.ts';
import { commandOf } from '../../../journeys/whole-way/tools.ts';
import { waitUntil } from '../../../journeys/whole-way/wait-until.ts';
import { ask, ended, run, start, succeeded, type World } from '../../../journeys/whole-way/world.ts';

export const byHand = { v: 1, clusterId: 'shop', reason: 'by hand' };
export const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

/** What faults of the control plane leave behind in a deployed world, and how to look at it. */
export function lookAt(the: () => World) {
  const backupOf = async (execution: string): Promise<BackupRecord | undefined> =>
    (await the().tables.backups('shop')).find((backup) => backup.execution === execution);
  return {
    reconcile: () => ask(the(), 'reconcile', {}) as Promise<{ unclaimed: string[] }>,
    backupOf,

    /** The backup job that an execution has ordered; waits for it. */
    async backupJobOf(execution: string): Promise<JobRow> {
      let found: JobRow | undefined;
      await waitUntil('the order of the backup', async () => {
        found = (await the().tables.jobs(execution)).find(({ order }) => order.kind === 'backup');
        return found !== undefined;
      });
      return found!;
    },

    /** No lock, lease and live job is left, no tool on the replica's host, and the replica applies. */
    async allIsFree(): Promise<void> {
      const { target, tables, servers } = the();
      expect({
        locks: await tables.locks(),
        leases: await tables.leases(),
        live: (await tables.liveJobs()).map(({ jobId }) => jobId),
      }).toEqual({ locks: [], leases: [], live: [] });
      expect(await applierRuns(servers.replica)).toBe(true);
      const ours = (pid: number) => commandOf(pid).some((word) => /runner\.mjs|mariadb-backup/.test(word));
      await waitUntil('the end of every runner and tool', async () =>
        processesOfRoot(target.hosts.replica.root).every(({ pid }) => !ours(pid)),
      );
    },

    /** The next backup works. */
    async nextOneWorks(): Promise<void> {
      expect(succeeded(await run(the(), 'backup', byHand))).toMatchObject({ state: 'verified' });
    },

    /** Runs a backup by hand while SSM has these faults; `struck` hears of each where it strikes. */
    async underSsmFaults<T>(
      faults: Partial<SsmFaults>,
      struck: (fault: StrikingFault) => void,
      use: (arn: string) => Promise<T>,
    ): Promise<T> {
      const { ssm } = the().target;
      Object.assign(ssm.faults, { ...faults, struck });
      try {
        return await use(await start(the(), 'backup', byHand));
      } finally {
        Object.assign(ssm.faults, noFaults());
      }
    },

    ended: (arn: string) => ended(the(), arn),
  };
}
