import { ListObjectVersionsCommand } from '@aws-sdk/client-s3';
import { GetExecutionHistoryCommand, ListExecutionsCommand } from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';
import { backUpBySchedule } from '../../../infra/local/backup-story.ts';
import { statesOfHappyBackup } from '../../faults/sweep/states-walked.ts';
import { applierRuns } from './appliers.ts';
import { withHeldTool } from './tools.ts';
import { ended, failed, quiet, run, start, succeeded, type World } from './world.ts';

const byHand = { v: 1, clusterId: 'shop', reason: 'by hand' };

export function backingUp(the: () => World): void {
  const executions = async () => {
    const { clients, names } = the().target;
    const stateMachineArn = names.machineArn('backup');
    return (await clients.sfn.send(new ListExecutionsCommand({ stateMachineArn }))).executions ?? [];
  };

  describe('backing up', () => {
    it('goes from the target of the schedule to a verified backup of the replica while a writer runs', async () => {
      const { target, servers, tables, events } = the();
      const end = await backUpBySchedule(target, quiet);
      const { backupId, state } = succeeded(end) as { backupId: string; state: string };
      expect(state).toBe('verified');
      const [backup] = await tables.backups('shop');
      expect(backup).toMatchObject({ backupId, state, memberId: 'replica', attempt: 1, comparison: 'exact' });
      expect(end.arn.endsWith(`:shop-${backup?.slot}-1`)).toBe(true);

      const listed = await target.clients.s3.send(
        new ListObjectVersionsCommand({ Bucket: target.names.bucket('home') }),
      );
      const keys = (listed.Versions ?? []).map((version) => version.Key ?? '');
      const below = (prefix: string) =>
        keys.filter((key) => key.startsWith(`shop/backups/${backupId}/${prefix}`));
      expect(below('manifest.json')).toHaveLength(1);
      expect(below('volumes/main/')).toHaveLength(backup?.volumes ?? 0);
      expect(below('index/')).toHaveLength(1);
      const receipts = keys.filter((key) => key.startsWith(`receipts/shop/${backupId}/`));
      expect(receipts.map((key) => key.split('-').at(-1)).sort()).toEqual([
        'committed.json',
        'verified.json',
      ]);
      expect(await applierRuns(servers.replica)).toBe(true);
      expect([...(await tables.locks()), ...(await tables.leases())]).toEqual([]);

      const common = { version: 1, clusterId: 'shop', backupId, slot: backup?.slot };
      await events.seen('Backup Succeeded', { ...common, bytes: backup?.bytes });
      await events.seen('Backup Verified', { ...common, state: 'verified' });
    });

    it('enters the states that the walk of the sweep over faults enters', async () => {
      const { sfn } = the().target.clients;
      const { executionArn } = (await executions()).find(({ name }) => /-1$/.test(name ?? '')) ?? {};
      const { events = [] } = await sfn.send(
        new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
      );
      const entered = events.flatMap(({ stateEnteredEventDetails: state }) => state?.name ?? []);
      // The emulator's history leaves out what happens to the items of a map.
      expect(entered).toEqual(await statesOfHappyBackup());
    });

    it('starts nothing for the same slot again (F45)', async () => {
      const [backup] = await the().tables.backups('shop');
      const before = (await executions()).length;
      const again = await run(the(), 'fleet-backup', { v: 1, policy: 'hourly', slot: backup?.slot });
      expect(again).toMatchObject({ status: 'SUCCEEDED', output: { outcome: 'nothing-due' } });
      expect(await executions()).toHaveLength(before);
    });

    it('refuses an unknown cluster by name', async () => {
      failed(await run(the(), 'backup', { v: 1, clusterId: 'nobody' }), 'Cluster.Unknown', 'nobody');
    });

    it('refuses what it does not understand, with the path', async () => {
      failed(await run(the(), 'backup', { ...byHand, attempt: 'first' }), 'Input.Invalid', 'attempt');
    });

    it('refuses a second backup while one holds the cluster, naming the holder, and leaves that one alone', async () => {
      await withHeldTool(the().target.hosts.replica, '--backup', async ({ held, letGo }) => {
        const first = await start(the(), 'backup', byHand);
        await held();
        expect(await the().tables.locks()).toEqual(['cluster:shop']);
        failed(await run(the(), 'backup', byHand), 'Cluster.Busy', first);
        expect(await the().tables.locks()).toEqual(['cluster:shop']);
        letGo();
        expect(succeeded(await ended(the(), first))).toMatchObject({ state: 'verified' });
      });
      expect(await the().tables.locks()).toEqual([]);
    });
  });
}
