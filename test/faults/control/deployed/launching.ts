import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { localHostIds } from '../../../../infra/local/local-hosts.ts';
import { waitUntil } from '../../../journeys/whole-way/wait-until.ts';
import { failed, succeeded, type World } from '../../../journeys/whole-way/world.ts';
import { faultTest } from '../../fault-test.ts';
import { lookAt, minutesAgo } from './look.ts';

export function launching(the: () => World): void {
  const { reconcile, backupOf, backupJobOf, allIsFree, underSsmFaults, ended } = lookAt(the);
  const logOf = (jobId: string) => join(the().target.hosts.replica.root, 'log', `${jobId}.log`);

  /** Lets SSM have faults only once both members were inspected: they strike the backup's own command. */
  const afterTheChecks = async () => {
    const { ssm } = the().target;
    const before = ssm.commands().length;
    return () => waitUntil('the check of both members', async () => ssm.commands().length >= before + 2);
  };

  describe('a command to a host', () => {
    faultTest(
      ['F39'],
      'that comes when its job is lost already finds nothing to do: it was not claimed in time',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const checked = await afterTheChecks();
        const { jobId, execution } = await underSsmFaults(
          {},
          (fault) => fault === 'delay' && hit('F39'),
          async (arn) => {
            await checked();
            target.ssm.faults.delayMs = 6_000;
            const job = await backupJobOf(arn);
            await tables.changeOrder(job.jobId, { createdAt: minutesAgo(6) });
            await reconcile();
            failed(await ended(arn), 'Job.Lost', job.jobId, 'was not claimed');
            expect(await backupOf(arn)).toMatchObject({ state: 'lost', error: { name: 'Job.Lost' } });
            return { jobId: job.jobId, execution: arn };
          },
        );
        await waitUntil('the late command', async () => existsSync(logOf(jobId)));
        await waitUntil('its runner’s end', async () =>
          readFileSync(logOf(jobId), 'utf8').includes('is lost'),
        );
        await endState(async () => {
          expect((await tables.jobs(execution)).at(-1)).toMatchObject({
            jobId,
            state: 'lost',
          });
          await allIsFree();
        });
      },
    );

    faultTest(
      ['F39'],
      'that is throttled is sent again, and one that SSM has lost costs its backup and nothing else',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const throttled = await underSsmFaults(
          { throttle: 2 },
          (fault) => fault === 'throttle' && hit('F39'),
          (arn) => ended(arn),
        );
        expect(succeeded(throttled)).toMatchObject({ state: 'verified' });
        const checked = await afterTheChecks();
        await underSsmFaults(
          {},
          (fault) => fault === 'lose' && hit('F39'),
          async (arn) => {
            await checked();
            target.ssm.faults.lose = 1;
            const { jobId } = await backupJobOf(arn);
            await reconcile();
            await tables.changeOrder(jobId, { createdAt: minutesAgo(6) });
            await reconcile();
            failed(await ended(arn), 'Job.Lost', jobId, 'was not claimed');
          },
        );
        await endState(allIsFree);
      },
    );

    faultTest(
      ['F42'],
      'that is delivered twice starts one backup: the second runner finds it claimed',
      async ({ hit, endState }) => {
        const { tables } = the();
        const [arn, end] = await underSsmFaults(
          { deliverTwice: 3 },
          (fault) => fault === 'deliverTwice' && hit('F42'),
          async (execution) => [execution, await ended(execution)] as const,
        );
        const { backupId } = succeeded(end) as { backupId: string };
        const job = (await tables.jobs(arn)).at(-1);
        await waitUntil('the end of both runners', async () =>
          /another runner on this host has this job|nothing to do/.test(
            readFileSync(logOf(job!.jobId), 'utf8'),
          ),
        );
        await endState(async () => {
          expect((await tables.jobs(arn)).map(({ order, state }) => [order.kind, state])).toEqual([
            ['check', 'succeeded'],
            ['check', 'succeeded'],
            ['backup', 'succeeded'],
          ]);
          expect(await backupOf(arn)).toMatchObject({ backupId, jobId: job?.jobId, state: 'verified' });
          await allIsFree();
        });
      },
    );

    faultTest(
      ['F41'],
      'for a host whose agent is down waits for nobody: its check is lost, the other member is backed up',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        target.ssm.setOnline(localHostIds.replica, false);
        try {
          await underSsmFaults(
            { deliverySeconds: 30 },
            (fault) => fault === 'offline' && hit('F41'),
            async (arn) => {
              const check = async () =>
                (await tables.jobs(arn)).find(({ hostId }) => hostId === localHostIds.replica);
              await waitUntil('the check of the replica', async () => (await check()) !== undefined);
              await tables.changeOrder((await check())!.jobId, { createdAt: minutesAgo(6) });
              await reconcile();
              expect(await check()).toMatchObject({ state: 'lost', error: { name: 'Job.Lost' } });
              expect(succeeded(await ended(arn))).toMatchObject({ state: 'verified' });
              expect(await backupOf(arn)).toMatchObject({ memberId: 'primary' });
            },
          );
        } finally {
          target.ssm.setOnline(localHostIds.replica, true);
        }
        await endState(allIsFree);
      },
    );

    faultTest(
      ['F41'],
      'on an agent too old for parameters in the environment starts no runner: the launcher refuses by its own code',
      async ({ hit, endState }) => {
        const { target, tables } = the();
        const checked = await afterTheChecks();
        const commands = target.ssm.commands;
        await underSsmFaults(
          {},
          (fault) => fault === 'oldAgent' && hit('F41'),
          async (arn) => {
            await checked();
            target.ssm.faults.oldAgent = 1;
            const { jobId } = await backupJobOf(arn);
            const invocation = () => [...(commands().at(-1)?.invocations.values() ?? [])][0];
            await waitUntil('the launcher', async () => invocation()?.status === 'Failed');
            expect(invocation()).toMatchObject({
              responseCode: 64,
              stderr: expect.stringContaining('job id'),
            });
            expect(existsSync(logOf(jobId))).toBe(false);
            await tables.changeOrder(jobId, { createdAt: minutesAgo(6) });
            await reconcile();
            failed(await ended(arn), 'Job.Lost', jobId, 'was not claimed');
          },
        );
        await endState(allIsFree);
      },
    );
  });
}
