import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { z } from 'zod';
import type { clusterDocumentSchema } from '../../contract/records/cluster.ts';
import type { HostDocument } from '../../contract/records/host.ts';
import { localHostIds } from './local-hosts.ts';
import type { LocalServers } from './local-servers.ts';
import { localPolicy, localSite } from './local-settings.ts';

/** The cluster that the local target protects. */
export const localClusterId = 'shop';

/** The documents an operator would write for the local hosts and their cluster. */
export function localDocuments(
  servers: LocalServers,
  { account, region }: { account: string; region: string },
) {
  const host = (hostId: string, purposes: HostDocument['purposes']): HostDocument => ({
    hostId,
    account,
    region,
    purposes,
  });
  const cluster: z.input<typeof clusterDocumentSchema> = {
    clusterId: localClusterId,
    engine: 'mysql',
    flavour: 'mariadb',
    policy: localPolicy,
    homeSite: localSite,
    members: (['primary', 'replica'] as const).map((name) => ({
      memberId: name,
      hostId: localHostIds[name],
      socket: servers[name].socket,
      port: servers[name].port,
      datadir: servers[name].datadir,
      defaultsFile: servers[name].defaultsFile,
      credential: { kind: 'socket' as const },
    })),
  };
  return {
    hosts: [
      host(localHostIds.primary, ['database']),
      host(localHostIds.replica, ['database']),
      host(localHostIds.empty, ['restore']),
    ],
    cluster,
  };
}

/** Invokes a function with one JSON document and returns its answer; a function that threw is an error here. */
export async function invoke(
  lambda: LambdaClient,
  functionName: string,
  document: unknown,
): Promise<unknown> {
  const answer = await lambda.send(
    new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(JSON.stringify(document)) }),
  );
  const text = Buffer.from(answer.Payload ?? []).toString();
  if (answer.FunctionError) throw new Error(`${functionName}: ${answer.FunctionError}: ${text}`);
  return text === '' ? undefined : JSON.parse(text);
}
