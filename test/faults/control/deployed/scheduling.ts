import { DescribeExecutionCommand, ListExecutionsCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { describe, expect } from 'vitest';
import { policyOfEveryMinute, slotOfThisMinute } from '../../../journeys/whole-way/policies.ts';
import { ended, register, start, succeeded, type World } from '../../../journeys/whole-way/world.ts';
import { faultTest } from '../../fault-test.ts';
import { lookAt } from './look.ts';

export function scheduling(the: () => World): void {
  const { allIsFree, nextOneWorks } = lookAt(the);

  describe('a slot', () => {
    faultTest(
      ['F44', 'F45', 'F46'],
      'whose schedule fires twice at once, and whose execution is started again, has one attempt and one backup',
      async ({ hit, endState }) => {
        const { target, tables, documents } = the();
        const { clients, names } = target;
        const policy = await policyOfEveryMinute(the());
        await register(the(), { ...documents.cluster, policy });
        const slot = await slotOfThisMinute();
        const fire = async (strikes: boolean) => {
          const arn = await start(the(), 'fleet-backup', { v: 1, policy, slot });
          if (strikes) for (const fault of ['F45', 'F46']) hit(fault);
          return arn;
        };
        const fired = await Promise.all([fire(false), fire(true)]);
        for (const arn of fired) succeeded(await ended(the(), arn));

        const { executions = [] } = await clients.sfn.send(
          new ListExecutionsCommand({ stateMachineArn: names.machineArn('backup') }),
        );
        const started = executions.filter(({ name }) => name?.startsWith(`shop-${slot}`));
        expect(started.map(({ name }) => name)).toEqual([`shop-${slot}-1`]);
        const arn = started[0]?.executionArn ?? '';
        expect(succeeded(await ended(the(), arn))).toMatchObject({ state: 'verified' });
        // The event comes again when the attempt has long ended: the name is taken, with another input it is refused.
        const again = clients.sfn.send(
          new StartExecutionCommand({
            stateMachineArn: names.machineArn('backup'),
            name: `shop-${slot}-1`,
            input: JSON.stringify({ v: 1, clusterId: 'shop', slot, attempt: 1, reason: 'redelivered' }),
          }),
        );
        await expect(again).rejects.toMatchObject({ name: 'ExecutionAlreadyExists' });
        hit('F44');
        await endState(async () => {
          const seen = await clients.sfn.send(new DescribeExecutionCommand({ executionArn: arn }));
          expect(JSON.parse(seen.input ?? '')).toMatchObject({ reason: 'schedule' });
          const ofSlot = (await tables.backups('shop')).filter((backup) => backup.slot === slot);
          expect(ofSlot).toMatchObject([{ state: 'verified', extra: false, attempt: 1 }]);
          expect(await tables.slot('shop', slot)).toMatchObject({
            state: 'recorded',
            attempt: 1,
            backupId: ofSlot[0]?.backupId,
          });
          await register(the(), documents.cluster);
          await allIsFree();
          await nextOneWorks();
        });
      },
    );
  });
}
