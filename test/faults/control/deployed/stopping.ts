import { setTimeout as sleep } from 'node:timers/promises';
import { PutObjectCommand, PutObjectRetentionCommand } from '@aws-sdk/client-s3';
import { DescribeExecutionCommand, SendTaskFailureCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { describe, expect } from 'vitest';
import { manifestKey, volumeKey } from '../../../../contract/layout.ts';
import { makeVersions } from '../../../../functions/clients/versions.ts';
import { identify, isAlive } from '../../../../infra/local/process-identity.ts';
import { withHeldTool } from '../../../journeys/whole-way/tools.ts';
import { waitUntil } from '../../../journeys/whole-way/wait-until.ts';
import { ask, failed, start, succeeded, type World } from '../../../journeys/whole-way/world.ts';
import { faultTest } from '../../fault-test.ts';
import { byHand, lookAt, minutesAgo } from './look.ts';

export function stopping(the: () => World): void {
  const { reconcile, backupOf, backupJobOf, allIsFree, nextOneWorks, ended } = lookAt(the);

  /** What Step Functions does when a task's time is over; the emulator knows neither timeouts nor heartbeats. */
  const timeOut = (taskToken: string) =>
    the().target.clients.sfn.send(
      new SendTaskFailureCommand({ taskToken, error: 'States.Timeout', cause: 'the task timed out' }),
    );

  describe('a task token', () => {
    faultTest(
      ['F43'],
      'that times out before the manifest ends the runner: nothing is committed, and the tool is gone',
      async ({ hit, endState }) => {
        const { target } = the();
        const [job, tool] = await withHeldTool(target.hosts.replica, '--backup', async ({ held }) => {
          const arn = await start(the(), 'backup', byHand);
          const tool = identify(await held());
          const job = await backupJobOf(arn);
          await timeOut(job.token ?? '');
          hit('F43');
          failed(await ended(arn), 'States.Timeout', 'the task timed out');
          return [await backupJobOf(arn), tool] as const;
        });
        await endState(async () => {
          expect(job).toMatchObject({ state: 'cancelled', error: { name: 'Job.Cancelled' } });
          expect(job.live).toBeUndefined();
          expect(tool && isAlive(tool)).toBe(false);
          const backup = await backupOf(job.execution);
          expect(backup).toMatchObject({ state: 'failed', error: { name: 'States.Timeout' } });
          expect(await stored(manifestKey(backup!))).toBe(0);
          await allIsFree();
        });
      },
    );

    faultTest(
      ['F43'],
      'that times out while its runner commits costs no backup: the execution waits, and finds the manifest',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const arn = await withHeldTool(target.hosts.replica, '--backup', async ({ held, letGo }) => {
          const execution = await start(the(), 'backup', byHand);
          await held();
          const job = await backupJobOf(execution);
          // As the row looks from its last gate on: nobody cancels the job any more.
          await tables.changeJob(job, { state: 'committing' });
          await timeOut(job.token ?? '');
          hit('F43');
          letGo();
          return execution;
        });
        const end = await ended(arn);
        await endState(async () => {
          expect(succeeded(end)).toMatchObject({ state: 'verified' });
          expect(await backupOf(arn)).toMatchObject({ state: 'verified', comparison: 'exact' });
          expect((await tables.jobs(arn)).at(-1)).toMatchObject({ state: 'succeeded' });
          await allIsFree();
        });
      },
    );
  });

  /** How many versions are stored below a prefix. */
  async function stored(prefix: string): Promise<number> {
    const { clients, names } = the().target;
    const pages = await Array.fromAsync(makeVersions(clients.s3, names.bucket('home')).list(prefix));
    return pages.flat().length;
  }

  describe('an execution', () => {
    faultTest(
      ['stopped by hand', 'F33'],
      'that is stopped leaves nothing: its job is cancelled, its cluster free, its volumes go when their lock ends',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const { clients, names } = target;
        const bucket = names.bucket('home');
        const arn = await start(the(), 'backup', byHand);
        const place = await withHeldTool(target.hosts.replica, '--backup', async ({ held }) => {
          const tool = identify(await held());
          const { order } = await backupJobOf(arn);
          if (order.kind !== 'backup') throw new Error('no backup was ordered');
          // What the runner has sent when the execution is stopped: the tool of this test is held before its first byte.
          const Key = volumeKey(order, 'main', 0);
          await clients.s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'a volume' }));
          await clients.sfn.send(new StopExecutionCommand({ executionArn: arn, cause: 'by hand' }));
          const { status } = await clients.sfn.send(new DescribeExecutionCommand({ executionArn: arn }));
          if (status === 'ABORTED') hit('stopped by hand');
          await waitUntil('the end of the job', async () => (await backupJobOf(arn)).live === undefined);
          expect(tool && isAlive(tool)).toBe(false);
          return order;
        });
        const job = await backupJobOf(arn);
        expect(job).toMatchObject({ state: 'cancelled', error: { name: 'Job.Cancelled' } });
        expect(await tables.locks()).toEqual(['cluster:shop']);
        await reconcile();
        expect(await tables.locks()).toEqual([]);
        expect(await backupOf(arn)).toMatchObject({ state: 'lost' });
        // Its deadline is hours away: until then nobody but its host knows that the job has ended.
        expect(await tables.tombstones()).toEqual([]);
        await tables.changeOrder(job.jobId, { createdAt: minutesAgo(200), deadline: minutesAgo(100) });
        await reconcile();
        const prefix = `shop/backups/${place.backupId}/`;
        expect(await tables.tombstones()).toMatchObject([{ clusterId: 'shop', backupId: place.backupId }]);
        const before = await stored(prefix);
        expect(before).toBeGreaterThan(0);

        const aDayLater = () =>
          tables.changeTombstone(place, { since: minutesAgo(25 * 60), notBefore: minutesAgo(60) });
        expect(await ask(the(), 'retention', {})).toMatchObject({ outcome: 'done', waiting: 1 });
        await aDayLater();
        expect(await ask(the(), 'retention', {})).toMatchObject({ waiting: 1, versionsDeleted: 0 });
        const [locked] = await tables.tombstones();
        const versions = (await Array.fromAsync(makeVersions(clients.s3, bucket).list(prefix))).flat();
        const refused = await Promise.all(versions.map((v) => makeVersions(clients.s3, bucket).remove(v)));
        if (refused.every(({ outcome }) => outcome === 'denied')) hit('F33');
        // The lock's own end is three days away: what an administrator of the bucket could do brings it near.
        for (const { key, versionId } of versions) {
          await clients.s3.send(
            new PutObjectRetentionCommand({
              Bucket: bucket,
              Key: key,
              VersionId: versionId,
              Retention: { Mode: 'GOVERNANCE', RetainUntilDate: new Date(Date.now() + 500) },
              BypassGovernanceRetention: true,
            }),
          );
        }
        await sleep(1_500);
        await aDayLater();
        const gone = await ask(the(), 'retention', {});
        await endState(async () => {
          expect(Date.parse(locked?.notBefore ?? '')).toBeGreaterThan(Date.now() + 2 * 86_400_000);
          expect(gone).toMatchObject({ cleared: 1, versionsDeleted: before });
          expect(await stored(prefix)).toBe(0);
          expect(await tables.tombstones()).toEqual([]);
          expect(await backupOf(arn)).toMatchObject({ state: 'lost', clearedAt: expect.any(String) });
          await reconcile();
          expect(await tables.tombstones()).toEqual([]);
          await allIsFree();
          await nextOneWorks();
        });
      },
    );

    faultTest(
      ['F48'],
      'that is stopped after the manifest was written has its backup adopted within one pass',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const { clients, names } = target;
        const arn = await start(the(), 'backup', byHand);
        const { backupId } = await withHeldTool(target.hosts.replica, '--backup', async ({ held, letGo }) => {
          await held();
          const job = await backupJobOf(arn);
          if (job.order.kind !== 'backup') throw new Error('no backup was ordered');
          // The execution hears nothing of the end: nothing of this backup is written to the catalog.
          await tables.changeJob(job, { token: 'lost' });
          letGo();
          await waitUntil('the end of the job', async () => (await tables.liveJobs()).length === 0);
          return job.order;
        });
        await clients.sfn.send(new StopExecutionCommand({ executionArn: arn }));
        if ((await backupOf(arn))?.state === 'running') hit('F48');
        await reconcile();
        const adopting = `${names.machineArn('backup').replace(':stateMachine:', ':execution:')}:shop-adopt-${backupId}-0`;
        const end = await ended(adopting);
        await endState(async () => {
          expect(succeeded(end)).toMatchObject({ backupId, state: 'verified' });
          expect(await backupOf(arn)).toMatchObject({ state: 'verified', comparison: 'exact' });
          await allIsFree();
        });
      },
    );
  });
}
