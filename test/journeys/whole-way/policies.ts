import { setTimeout as sleep } from 'node:timers/promises';
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import type { World } from './world.ts';

/** Deploys a copy of the hourly policy under another name, with changes; answers the name. */
export async function deployPolicy(
  { target: { emulator, names } }: World,
  name: string,
  change: {
    schedule?: object;
    incrementals?: object;
    logs?: object;
    method?: string;
    xtrabackup?: object;
    toolThreads?: number;
    lockBudgetSeconds?: number;
  },
): Promise<string> {
  const ssm = new SSMClient({
    endpoint: emulator.endpoint,
    region: emulator.region,
    credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  });
  const { Parameter } = await ssm.send(new GetParameterCommand({ Name: `${names.policyPrefix}hourly` }));
  const policy = JSON.parse(Parameter?.Value ?? '') as { schedule: object };
  const schedule = { ...policy.schedule, ...change.schedule };
  await ssm.send(
    new PutParameterCommand({
      Name: `${names.policyPrefix}${name}`,
      Type: 'String',
      Value: JSON.stringify({ ...policy, ...change, name, schedule }),
      Overwrite: true,
    }),
  );
  return name;
}

/** A policy that plans a slot every minute, so that a test has slots at hand. */
export const policyOfEveryMinute = (world: World): Promise<string> =>
  deployPolicy(world, 'minutely', { schedule: { cron: '* * * * *' } });

/** The slot of this minute; of the next one where this is the hour's first, whose slot the hourly policy may have used. */
export async function slotOfThisMinute(): Promise<string> {
  while (new Date().getUTCMinutes() === 0) await sleep(1000);
  return `${new Date().toISOString().slice(0, 16).replace(/[-:]/g, '')}Z`;
}
