import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetScheduleCommand } from '@aws-sdk/client-scheduler';
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import { registerAll } from '../../infra/local/backup-story.ts';
import { startLocalServers } from '../../infra/local/local-servers.ts';
import { localPolicy } from '../../infra/local/local-settings.ts';
import { localClusterId } from '../../infra/local/register-documents.ts';
import { type LocalTarget, startTarget } from '../../infra/local/target.ts';
import { disableSchedules } from '../journeys/whole-way/schedules.ts';
import { type Counts, countCalls, countInvocations, driftedFrom, transitionsOf } from './cost/counts.ts';
import { billOf, costDocument } from './cost/document.ts';
import { apiCalls, reportedInvocations } from './emulator-log.ts';
import { atMost } from './measure.ts';
import type { Bench, Stand } from './stand.ts';

const mostTransitions = 20;
const dataBytes = 20e6;
/** What is published after an execution's end arrives within this. */
const settleMs = 3000;
/** The bench's own requests carry this, so that they are not counted. */
const ownAgent = 'holdfast-bench';

const recordedFile = join(import.meta.dirname, 'cost/recorded.json');
const documentFile = join(import.meta.dirname, '../../docs/cost.md');

const clientOf = ({ emulator }: LocalTarget) => ({
  endpoint: emulator.endpoint,
  region: emulator.region,
  credentials: { accessKeyId: emulator.accountId, secretAccessKey: 'local' },
  customUserAgent: ownAgent,
});

/** The types of the events of an execution once it has ended well. */
async function historyOf(sfn: SFNClient, executionArn: string): Promise<string[]> {
  for (;;) {
    const { status, error, cause } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    if (status === 'SUCCEEDED') break;
    if (status !== 'RUNNING') throw new Error(`${executionArn} is ${status}: ${error} ${cause}`);
    await sleep(500);
  }
  const { events } = await sfn.send(new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }));
  return (events ?? []).map(({ type }) => type ?? '');
}

/** Starts what the schedule starts and waits until the cluster's Backup has ended; answers both histories. */
async function takeBackup(target: LocalTarget, sfn: SFNClient) {
  const { names, clients } = target;
  const schedule = await clients.scheduler.send(
    new GetScheduleCommand({ GroupName: names.scheduleGroup, Name: `policy-${localPolicy}` }),
  );
  const { executionArn: fleetArn } = await sfn.send(
    new StartExecutionCommand({ stateMachineArn: schedule.Target?.Arn, input: schedule.Target?.Input }),
  );
  const fleet = await historyOf(sfn, fleetArn ?? '');
  for (;;) {
    const { executions } = await sfn.send(
      new ListExecutionsCommand({ stateMachineArn: names.machineArn('backup') }),
    );
    const arn = executions?.find(({ name }) => name?.startsWith(`${localClusterId}-`))?.executionArn;
    if (arn) return { fleet, backup: await historyOf(sfn, arn) };
    await sleep(300);
  }
}

async function countOneBackup(target: LocalTarget): Promise<Counts> {
  const sfn = new SFNClient(clientOf(target));
  const commands = target.ssm.commands().length;
  const from = Date.now() / 1000;
  const { fleet, backup } = await takeBackup(target, sfn);
  await sleep(settleMs);
  const logged = await apiCalls(target.emulator, from, Date.now() / 1000);
  const calls = countCalls(logged.filter(({ userAgent }) => !userAgent.includes(ownAgent)));
  return {
    transitions: { backup: transitionsOf(backup), fleet: transitionsOf(fleet) },
    ...countInvocations(await reportedInvocations(target.emulator, from)),
    ...calls,
    // Commands go to the project's own endpoint and never reach the emulator.
    requests: { ...calls.requests, 'ssm:SendCommand': target.ssm.commands().length - commands },
  };
}

async function counted(stand: Stand): Promise<Counts> {
  const { registry, say } = stand;
  const target = await startTarget({
    purpose: 'bench-control',
    registry,
    say,
    environment: { CLOUDTRAIL_RECORDING: '1', CLOUDTRAIL_MAX_EVENTS: '100000' },
  });
  await disableSchedules(target);
  const { paths, hosts } = target;
  const servers = await startLocalServers({ paths, registry, hosts, bytes: dataBytes, say });
  await registerAll(target, servers, say);
  const counts = await countOneBackup(target);
  for (const server of Object.values(servers)) await server.stop();
  await target.stop();
  return counts;
}

/** Counts what one backup asks of the cloud, and holds docs/cost.md against it. */
export const controlPlane: Bench = {
  name: 'control-plane',
  about: 'state transitions and requests of one backup on the local target, and what they cost',
  run: async (stand) => {
    const now = await counted(stand);
    const recorded = JSON.parse(readFileSync(recordedFile, 'utf8')) as Counts;
    const drift = driftedFrom(recorded, now);
    if (drift.length > 0) {
      for (const line of drift) stand.say(`not as recorded: ${line}`);
      writeFileSync(recordedFile, `${JSON.stringify(now, null, 2)}\n`);
      writeFileSync(documentFile, costDocument(now));
      stand.say(
        'docs/cost.md and the recorded counts are written anew; look at the difference and commit it',
      );
    }
    const bill = billOf(now);
    const total = bill.reduce((sum, { count, each }) => sum + count * each, 0);
    return {
      table: [
        ['one backup', 'count', 'US$ for 1,000'],
        ...bill.map(({ what, count, each }) => [what, count.toFixed(1), (count * each * 1000).toFixed(4)]),
        ['sum', '', (total * 1000).toFixed(4)],
      ],
      measures: [
        atMost('control-plane.transitions', now.transitions.backup, 'transitions', mostTransitions),
        atMost('control-plane.counts-not-as-documented', drift.length, 'counts', 0),
      ],
    };
  },
};
