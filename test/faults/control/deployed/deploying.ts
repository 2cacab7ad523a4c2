import { DescribeStateMachineCommand, UpdateStateMachineCommand } from '@aws-sdk/client-sfn';
import { describe, expect } from 'vitest';
import { keptRelease } from '../../../doubles/kept-release.ts';
import { withHeldTool } from '../../../journeys/whole-way/tools.ts';
import { start, succeeded, type World } from '../../../journeys/whole-way/world.ts';
import { faultTest } from '../../fault-test.ts';
import { byHand, lookAt } from './look.ts';

export function deploying(the: () => World): void {
  const { allIsFree, backupOf, ended } = lookAt(the);

  describe('a deployment of control', () => {
    faultTest(
      ['F57'],
      'while a backup runs under the definition of the release before: it ends with this one’s functions and runner',
      async ({ hit, endState }) => {
        const { clients, names, hosts } = the().target;
        const stateMachineArn = names.machineArn('backup');
        const deployed = async () =>
          (await clients.sfn.send(new DescribeStateMachineCommand({ stateMachineArn }))).definition;
        const ours = await deployed();
        const deploy = (definition: string | undefined) =>
          clients.sfn.send(new UpdateStateMachineCommand({ stateMachineArn, definition }));
        await deploy(keptRelease('cb078e0').definition('backup'));
        const before = await deployed();
        const arn = await withHeldTool(hosts.replica, '--backup', async ({ held, letGo }) => {
          try {
            const execution = await start(the(), 'backup', byHand);
            await held();
            return execution;
          } finally {
            await deploy(ours);
            letGo();
          }
        });
        if (before !== ours && (await deployed()) === ours) hit('F57');
        const end = await ended(arn);
        await endState(async () => {
          expect(succeeded(end)).toMatchObject({ state: 'verified' });
          expect(await backupOf(arn)).toMatchObject({ state: 'verified', comparison: 'exact' });
          await allIsFree();
        });
      },
    );
  });
}
