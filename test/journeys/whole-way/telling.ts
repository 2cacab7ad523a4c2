import {
  DeleteParameterCommand,
  GetParameterCommand,
  PutParameterCommand,
  SSMClient,
} from '@aws-sdk/client-ssm';
import { beforeAll, describe, expect, it } from 'vitest';
import { limited } from '../../../functions/clients/limited.ts';
import { asTyped, blocksThatLook } from './runbook-commands.ts';
import { subscribeToTopic, type Told } from './topic.ts';
import { waitUntil } from './wait-until.ts';
import { ask, type World } from './world.ts';

export function telling(the: () => World): void {
  describe('what Reconcile tells people', () => {
    let read: () => Promise<Told[]>;
    const reconcile = () => ask(the(), 'reconcile', {});
    const ofShop = async () =>
      (await read()).filter(
        ({ attributes }) => attributes.cluster === 'shop' && attributes.breach === 'overdue',
      );

    type AlarmMessage = { AlarmName: string; NewStateValue: string; AlarmDescription: string };
    const alarms = async () =>
      (await read())
        .filter(({ attributes }) => attributes.breach === undefined)
        .map(({ body }) => JSON.parse(body) as AlarmMessage);

    /** As if a deployment had left the policy out: nobody backs up its clusters any more. */
    async function takePolicyAway(): Promise<() => Promise<void>> {
      const { emulator, names } = the().target;
      const ssm = new SSMClient({
        endpoint: emulator.endpoint,
        region: emulator.region,
        credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
      });
      const Name = `${names.policyPrefix}hourly`;
      const { Parameter } = await ssm.send(new GetParameterCommand({ Name }));
      await ssm.send(new DeleteParameterCommand({ Name }));
      return async () => {
        await ssm.send(new PutParameterCommand({ Name, Type: 'String', Value: Parameter?.Value }));
      };
    }

    beforeAll(async () => {
      read = await subscribeToTopic(the().target);
    });

    it('is once that a breach begins, and once that it is over, with alarm and catalog saying the same', async () => {
      const { target } = the();
      expect(await reconcile()).toMatchObject({ counts: { clustersOverdue: 0, dutiesFailed: 0 } });
      expect(await ofShop()).toEqual([]);
      const putBack = await takePolicyAway();
      try {
        await Promise.all([reconcile(), reconcile()]);
        expect(await reconcile()).toMatchObject({ counts: { clustersOverdue: 1, clustersCovered: 0 } });
        const [began, ...more] = await ofShop();
        expect(more).toEqual([]);
        expect(began?.subject).toMatch(/^holdfast: shop is overdue, last good backup \d{4}-/);
        expect(began?.attributes).toEqual({ breach: 'overdue', phase: 'began', cluster: 'shop' });
        expect(began?.body).toContain('its policy hourly is not deployed');
        expect(began?.body).toContain('docs/runbook.md#clusters-overdue');
        expect(began?.body).toContain(`https://${target.emulator.region}.console.aws.amazon.com/states/home`);

        const name = target.names.alarm('clusters-overdue');
        await waitUntil('the alarm', async () =>
          (await alarms()).some((a) => a.AlarmName === name && a.NewStateValue === 'ALARM'),
        );
        expect((await alarms()).find((a) => a.AlarmName === name)?.AlarmDescription).toMatch(
          /Runbook: docs\/runbook\.md#clusters-overdue$/,
        );
        const [beginning] = blocksThatLook();
        const said = await asTyped(the(), beginning?.commands ?? '', {});
        expect(said).toMatch(/^holdfast-clusters-overdue\t/m);
        expect(said).toMatch(/^shop\toverdue\topen\t/m);
      } finally {
        await putBack();
      }
      await Promise.all([reconcile(), reconcile()]);
      expect(await reconcile()).toMatchObject({ counts: { clustersOverdue: 0, clustersCovered: 1 } });
      const [, cleared, ...more] = await ofShop();
      expect(more).toEqual([]);
      expect(cleared?.attributes).toEqual({ breach: 'overdue', phase: 'cleared', cluster: 'shop' });
      expect(cleared?.subject).toMatch(/^holdfast: shop cleared: overdue for 0\.\d h$/);
    });
  });

  describe('the commands of the runbook that look, run as printed', () => {
    it('all work', async () => {
      const { tables } = the();
      const [backup] = await tables.backups('shop');
      const blocks = blocksThatLook();
      expect(blocks.length).toBeGreaterThan(15);
      const failed = await limited(blocks, 3, async ({ section, commands }) => {
        try {
          await asTyped(the(), commands, { EXECUTION: backup?.execution ?? '' });
          return [];
        } catch (thrown) {
          return [`${section}: ${(thrown as Error).message}`];
        }
      });
      expect(failed.flat()).toEqual([]);
    });
  });
}
