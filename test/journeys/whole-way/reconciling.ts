import { CopyObjectCommand } from '@aws-sdk/client-s3';
import { ListExecutionsCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';
import { restoreInput } from '../../../infra/local/backup-story.ts';
import type { Item } from './tables.ts';
import { withHeldTool } from './tools.ts';
import { waitUntil } from './wait-until.ts';
import { ask, ended, failed, run, start, succeeded, type World } from './world.ts';

const byHand = { v: 1, clusterId: 'shop', reason: 'by hand' };

/** What a rebuilt catalog must have again: all but locks, caps, pins, orders, slots, and backups without a manifest. */
export function rebuildable(items: readonly Item[]): Item[] {
  return items
    .filter(
      ({ pk, sk, state }) =>
        pk === 'FLEET' ||
        (sk.startsWith('BACKUP#') && state !== 'failed' && state !== 'lost' && state !== 'running'),
    )
    .sort((a, b) => (a.pk + a.sk < b.pk + b.sk ? -1 : 1));
}

export function reconciling(the: () => World): void {
  const reconcile = async () => (await ask(the(), 'reconcile', {})) as { unclaimed: string[] };

  describe('what Reconcile and Rebuild bring back', () => {
    it('records a backup whose execution was stopped after its manifest was written (F48)', async () => {
      const { target, tables } = the();
      const { clients, names } = target;
      const arn = await start(the(), 'backup', byHand);
      const { backupId } = await withHeldTool(target.hosts.replica, '--backup', async ({ held, letGo }) => {
        await held();
        const [job] = await tables.liveJobs();
        if (job?.order.kind !== 'backup') throw new Error('no backup runs');
        // As if its token had timed out: the execution hears nothing of the end.
        await tables.changeJob(job, { token: 'timed-out' });
        letGo();
        await waitUntil('the end of the job', async () => (await tables.liveJobs()).length === 0);
        expect((await tables.jobs(arn)).at(-1)).toMatchObject({ jobId: job.jobId, state: 'succeeded' });
        return job.order;
      });
      await clients.sfn.send(new StopExecutionCommand({ executionArn: arn }));
      const backup = async () => (await tables.backups('shop')).find((b) => b.backupId === backupId);
      expect(await backup()).toMatchObject({ state: 'running' });
      await reconcile();
      const listed = await clients.sfn.send(
        new ListExecutionsCommand({ stateMachineArn: names.machineArn('backup') }),
      );
      const adopting = listed.executions?.find(({ name }) => name?.startsWith(`shop-adopt-${backupId}`));
      expect(succeeded(await ended(the(), adopting?.executionArn ?? ''))).toMatchObject({
        backupId,
        state: 'verified',
      });
      expect(await backup()).toMatchObject({ state: 'verified', comparison: 'exact' });
      expect(await tables.locks()).toEqual([]);
    });

    it('reports a manifest that nobody ordered, and never uses it', async () => {
      const { target, tables } = the();
      const bucket = target.names.bucket('home');
      const [real] = (await tables.backups('shop')).filter((backup) => backup.state === 'verified');
      const forged = 'shop/backups/99999999-forged/manifest.json';
      await target.clients.s3.send(
        new CopyObjectCommand({
          Bucket: bucket,
          Key: forged,
          CopySource: `${bucket}/shop/backups/${real?.backupId}/manifest.json`,
        }),
      );
      expect((await reconcile()).unclaimed).toEqual([`s3://${bucket}/${forged}`]);
      const input = {
        ...restoreInput({ directory: '/var/tmp/never', port: 20_999 }),
        backupId: '99999999-forged',
      };
      failed(await run(the(), 'restore', input), 'Backup.Unknown', '99999999-forged');
      const adopt = { v: 1, clusterId: 'shop', adopt: '99999999-forged' };
      failed(await run(the(), 'backup', adopt), 'Backup.Unknown', '99999999-forged');
    });

    it('gives the same catalog again from registry and receipts when all of it is lost (F49)', async () => {
      const { tables } = the();
      const before = rebuildable(await tables.catalog());
      expect(before.filter(({ pk }) => pk === 'FLEET')).toHaveLength(5);
      expect(before.filter(({ sk }) => sk.startsWith('BACKUP#')).length).toBeGreaterThan(4);
      await tables.emptyCatalog();
      failed(await run(the(), 'backup', byHand), 'Cluster.Unknown', 'shop');
      expect(await ask(the(), 'rebuild', { v: 1, site: 'home' })).toMatchObject({
        outcome: 'rebuilt',
        unreadable: [],
      });
      expect(rebuildable(await tables.catalog())).toEqual(before);
      expect((await tables.catalog()).map(({ sk }) => sk)).not.toContain('BACKUP#99999999-forged');
    });
  });
}
