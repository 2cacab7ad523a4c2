import { join } from 'node:path';
import { ScanCommand } from '@aws-sdk/lib-dynamodb';
import type { AgentRow, SetReport } from '../../contract/records/agent.ts';
import type { ProcessRegistry } from './processes.ts';
import { invoke, localClusterId } from './register-documents.ts';
import type { LocalTarget } from './target.ts';
import { waitUntilReady } from './wait.ts';

/** Starts the resident agent on a host, as its unit or the loop of the launcher would; answers its process id. */
export function startAgent(registry: ProcessRegistry, { root }: { root: string }): number {
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOLDFAST_ROOT: root };
  const launcher = join(root, 'bin/holdfast-launch');
  return registry.start('agent', '/bin/sh', [launcher, 'agent', 'once'], { env }).pid ?? 0;
}

/** What the agents of all hosts last said of the servers that they look at. */
export async function agentsSay({ clients, names }: LocalTarget): Promise<SetReport[]> {
  const { Items } = await clients.tables.send(
    new ScanCommand({
      TableName: names.jobsTable,
      ConsistentRead: true,
      FilterExpression: 'sk = :agent',
      ExpressionAttributeValues: { ':agent': 'agent' },
    }),
  );
  return ((Items ?? []) as AgentRow[]).flatMap(({ report }) => report?.sets ?? []);
}

/**
 * Does what happens by itself where hosts keep their agents and Reconcile has its schedule: hosts are told to look, their
 * agents say what they see, and one is told to archive, which it reads within ten seconds. Answers the agents' process
 * ids, those of the primary's host first.
 */
export async function beginArchiving(target: LocalTarget, registry: ProcessRegistry): Promise<number[]> {
  const reconcile = () => invoke(target.clients.lambda, target.names.function('reconcile'), {});
  await reconcile();
  const { primary, replica } = target.hosts;
  const agents = [primary, replica].map((host) => startAgent(registry, host));
  const looked = async () => (await agentsSay(target)).filter(({ reachable }) => reachable).length === 2;
  await waitUntilReady('the agents', 60_000, looked, { ended: () => false, detail: () => '' });
  await reconcile();
  return agents;
}

/** Waits until everything that a cluster's log held up to this sequence number of its domain 0 is stored. */
export async function waitUntilArchived(
  target: LocalTarget,
  sequence: number,
  clusterId = localClusterId,
): Promise<void> {
  let stored = '';
  const reached = async () => {
    const said = (await agentsSay(target)).find((of) => of.clusterId === clusterId && of.archive?.newest);
    stored = said?.archive?.newest?.end.gtid ?? '';
    return Number(stored.split(',')[0]?.split('-')[2] ?? -1) >= sequence;
  };
  await waitUntilReady(`the archive of 0-…-${sequence}`, 60_000, reached, {
    ended: () => false,
    detail: () => `stored is ${stored || 'nothing'}`,
  });
}
