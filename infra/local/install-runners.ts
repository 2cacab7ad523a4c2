import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetCommandInvocationCommand, SendCommandCommand, SSMClient } from '@aws-sdk/client-ssm';

/** The release that a synthesized stack of hosts installs. */
export function releaseOfTemplate(file: string): string {
  const { Outputs } = JSON.parse(readFileSync(file, 'utf8')) as {
    Outputs: { RunnerRelease: { Value: string } };
  };
  return Outputs.RunnerRelease.Value;
}

/**
 * Runs the document InstallRunner on hosts, as the association does: the local SSM endpoint has no State Manager. Throws
 * with what a host said where it did not end well.
 */
export async function installRunners(input: {
  endpoint: string;
  region: string;
  hostIds: readonly string[];
  document: string;
  release: string;
}): Promise<void> {
  const { endpoint, region, hostIds, document, release } = input;
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' };
  const ssm = new SSMClient({ endpoint, region, credentials });
  const { Command } = await ssm.send(
    new SendCommandCommand({
      DocumentName: document,
      InstanceIds: [...hostIds],
      Parameters: { Release: [release] },
    }),
  );
  for (const InstanceId of hostIds) {
    const look = new GetCommandInvocationCommand({ CommandId: Command?.CommandId, InstanceId });
    let seen = await ssm.send(look);
    for (; seen.Status === 'Pending' || seen.Status === 'InProgress'; seen = await ssm.send(look))
      await sleep(100);
    if (seen.Status !== 'Success')
      throw new Error(`${document} on ${InstanceId} ended as ${seen.Status}:\n${seen.StandardErrorContent}`);
  }
  ssm.destroy();
}
