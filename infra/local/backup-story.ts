import { setTimeout as sleep } from 'node:timers/promises';
import { GetScheduleCommand } from '@aws-sdk/client-scheduler';
import { ListExecutionsCommand, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { type ExecutionEnd, followExecution } from './follow-execution.ts';
import { localHostIds } from './local-hosts.ts';
import type { LocalServers } from './local-servers.ts';
import { localPolicy } from './local-settings.ts';
import { invoke, localClusterId, localDocuments } from './register-documents.ts';
import type { LocalTarget } from './target.ts';

type Say = (line: string) => void;

/** Registers the three hosts and the cluster; throws with the function's own words where one is refused. */
export async function registerAll(target: LocalTarget, servers: LocalServers, say: Say): Promise<void> {
  const { clients, names, settings } = target;
  const { hosts, cluster } = localDocuments(servers, settings.control);
  const register = async (document: { hostId?: string; clusterId?: string }) => {
    const answer = (await invoke(clients.lambda, names.function('register'), document)) as {
      outcome: string;
    };
    if (answer.outcome === 'refused') throw new Error(`register refused: ${JSON.stringify(answer, null, 2)}`);
    say(
      `${document.clusterId ? `cluster ${document.clusterId}` : `host ${document.hostId}`}: ${answer.outcome}`,
    );
  };
  await Promise.all(hosts.map(register));
  await register(cluster);
}

/** Does what the policy's schedule does: starts its target with its input. Returns the end of the Backup execution. */
export async function backUpBySchedule(target: LocalTarget, say: Say): Promise<ExecutionEnd> {
  const { clients, names } = target;
  const schedule = await clients.scheduler.send(
    new GetScheduleCommand({ GroupName: names.scheduleGroup, Name: `policy-${localPolicy}` }),
  );
  const started = await clients.sfn.send(
    new StartExecutionCommand({ stateMachineArn: schedule.Target?.Arn, input: schedule.Target?.Input }),
  );
  const fleet = await follow(target, started.executionArn ?? '', 120, say);
  if (fleet.status !== 'SUCCEEDED')
    throw new Error(`Fleet backup ended as ${fleet.status}: ${fleet.error} ${fleet.cause}`);
  const arn = await backupExecution(target);
  say(`Fleet backup has started ${arn.split(':').at(-1)}`);
  return follow(target, arn, 300, say);
}

/** The Backup execution of the cluster that Fleet backup started; it appears within a second or two. */
async function backupExecution({ clients, names }: LocalTarget): Promise<string> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(300)) {
    const listed = await clients.sfn.send(
      new ListExecutionsCommand({ stateMachineArn: names.machineArn('backup') }),
    );
    const found = listed.executions?.find((e) => e.name?.startsWith(`${localClusterId}-`));
    if (found?.executionArn) return found.executionArn;
  }
  throw new Error('Fleet backup ended, and no Backup execution of the cluster was started');
}

/** Restores the cluster as it was at a time on the empty host, through the Restore machine. */
export async function restoreOnEmptyHost(
  target: LocalTarget,
  input: { directory: string; port: number; time: string },
  say: Say,
): Promise<ExecutionEnd> {
  const { clients, names } = target;
  const { directory, port, time } = input;
  const started = await clients.sfn.send(
    new StartExecutionCommand({
      stateMachineArn: names.machineArn('restore'),
      input: JSON.stringify({ ...restoreInput({ directory, port }), until: { time } }),
    }),
  );
  return follow(target, started.executionArn ?? '', 300, say);
}

/** What an operator gives to the Restore machine. */
export const restoreInput = (at: { directory: string; port: number }) => ({
  v: 1,
  clusterId: localClusterId,
  backupId: 'latest',
  target: { hostId: localHostIds.empty, ...at },
});

const follow = ({ clients, names }: LocalTarget, arn: string, timeoutSeconds: number, say: Say) =>
  followExecution({
    arn,
    sfn: clients.sfn,
    tables: clients.tables,
    jobsTable: names.jobsTable,
    timeoutSeconds,
    say,
  });
