import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CreateRoleCommand, GetRoleCommand, IAMClient } from '@aws-sdk/client-iam';
import type { Emulator } from '../../../infra/local/emulator.ts';
import { assumeHostRole, hostIdentity, rootStsClient } from '../../../infra/local/host-credentials.ts';
import { bundleRunner } from '../../../runner/bundle.ts';
import { systemPath } from '../../../runner/host/find-command.ts';

export type Installation = {
  root: string;
  emulator: Emulator;
  hostId: string;
  /** More of the environment file: where the store and Step Functions are. */
  environment: Record<string, string>;
  /** Directories before the system's in which tools are looked for. */
  path: string[];
};

/**
 * A host as an installation leaves it: launcher, Node, the bundle, its settings, and credentials of its role. Answers
 * the identity under which its job rows lie.
 */
export async function installRunner({
  root,
  emulator,
  hostId,
  environment,
  path,
}: Installation): Promise<string> {
  for (const folder of ['bin', 'lib', 'etc', 'work']) mkdirSync(join(root, folder), { mode: 0o700 });
  copyFileSync(resolve('runner/host/launch/holdfast-launch'), join(root, 'bin/holdfast-launch'));
  symlinkSync(process.execPath, join(root, 'bin/node'));
  await bundleRunner(join(root, 'lib/runner.mjs'));
  const settings = {
    v: 1,
    region: emulator.region,
    jobsTable: 'jobs',
    brokerFunction: 'broker',
    workDir: join(root, 'work'),
    path: [...path, ...systemPath.split(':')],
  };
  writeFileSync(join(root, 'etc/runner.json'), JSON.stringify(settings));
  const iam = new IAMClient({});
  const trust = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' }],
  };
  await iam.send(
    new CreateRoleCommand({ RoleName: 'host', AssumeRolePolicyDocument: JSON.stringify(trust) }),
  );
  const { Role } = await iam.send(new GetRoleCommand({ RoleName: 'host' }));
  const role = await assumeHostRole(rootStsClient(emulator), hostIdentity(hostId, Role!.Arn!));
  const lines = {
    AWS_ENDPOINT_URL: emulator.endpoint,
    AWS_REGION: emulator.region,
    AWS_ACCESS_KEY_ID: role.AccessKeyId,
    AWS_SECRET_ACCESS_KEY: role.SecretAccessKey,
    AWS_SESSION_TOKEN: role.Token,
    ...environment,
  };
  writeFileSync(
    join(root, 'etc/environment'),
    Object.entries(lines)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  );
  return `${Role!.RoleId}:${hostId}`;
}
