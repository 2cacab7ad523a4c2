import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTableCommand } from '@aws-sdk/client-dynamodb';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateFunctionCommand } from '@aws-sdk/client-lambda';
import { CreateBucketCommand, PutBucketPolicyCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { bundleOf } from '../../../infra/control/bundle-functions.ts';
import { accountClients } from '../../../infra/local/account-clients.ts';
import type { Emulator } from '../../../infra/local/emulator.ts';
import { localSettings } from '../../../infra/local/local-settings.ts';
import { deployed } from '../../infra/policies/deployed.ts';
import { asEmulated } from './as-emulated.ts';
import type { Keys } from './requests.ts';

export const hostId = 'mi-0own';

/** An account at the emulator with everything that rights are about, its roles made from the synthesized templates. */
export async function makeAccount(emulator: Emulator) {
  const { endpoint, region, accountId: account } = emulator;
  const root = { accessKeyId: account, secretAccessKey: 'local' };
  const config = { endpoint, region, credentials: root };
  const templates = deployed(localSettings({ account, region }));
  const { names } = templates;
  const clients = accountClients(emulator);
  const iam = new IAMClient(config);

  const sessionOf = async (roleArn: string, name: string, as: Keys = root): Promise<Keys> => {
    const { Credentials: of } = await new STSClient({ ...config, credentials: as }).send(
      new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: name }),
    );
    return {
      accessKeyId: of?.AccessKeyId ?? '',
      secretAccessKey: of?.SecretAccessKey ?? '',
      sessionToken: of?.SessionToken ?? '',
    };
  };
  const document = (Statement: unknown) => JSON.stringify({ Version: '2012-10-17', Statement });
  const arnOfRole = (name: string) => `arn:aws:iam::${account}:role/${name}`;

  // The role's id is in `aws:userid`, so the host's own role is there before its policy.
  for (const { name } of templates.roles) {
    const trust = document(asEmulated(templates.trust(name), ''));
    await iam.send(new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: trust }));
  }
  const hostKeys = await sessionOf(arnOfRole(names.hostRole), hostId);
  const caller = new STSClient({ ...config, credentials: hostKeys });
  const { UserId: userid = '' } = await caller.send(new GetCallerIdentityCommand({}));
  for (const { name } of templates.roles) {
    const policy = document(asEmulated(templates.identity(name), userid));
    await iam.send(
      new PutRolePolicyCommand({ RoleName: name, PolicyName: 'rights', PolicyDocument: policy }),
    );
  }

  const bucket = names.bucket('home');
  const assets = `cdk-hnb659fds-assets-${account}-${region}`;
  for (const Bucket of [bucket, names.toolsBucket('home'), names.scratchBucket, assets, 'another-bucket']) {
    await clients.s3.send(new CreateBucketCommand({ Bucket }));
    await clients.s3.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
  }
  await clients.s3.send(
    new PutBucketPolicyCommand({
      Bucket: bucket,
      Policy: document(asEmulated(templates.bucket('home'), '')),
    }),
  );
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const });
  for (const TableName of [names.catalogTable, names.jobsTable, 'another-table']) {
    await clients.tables.send(
      new CreateTableCommand({
        TableName,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [text('pk'), text('sk')],
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
      }),
    );
  }
  const secrets = new SecretsManagerClient(config);
  for (const [Name, Value] of [
    [`holdfast/${hostId}/root`, userid],
    ['holdfast/mi-0foreign/root', userid.replace(hostId, 'mi-0foreign')],
    ['payroll', userid],
  ]) {
    await secrets.send(
      new CreateSecretCommand({ Name, SecretString: '{}', Tags: [{ Key: 'holdfast-userid', Value }] }),
    );
  }
  await new SSMClient(config).send(
    new PutParameterCommand({ Name: '/holdfast/policies/hourly', Value: '{}', Type: 'String' }),
  );

  /** The broker as it is deployed: its bundle, under its own role. */
  const deployBroker = async (directory: string) => {
    const zip = join(directory, 'broker.zip');
    const source = join(bundleOf('broker'), 'index.mjs');
    const zipped = spawnSync('python3', ['-m', 'zipfile', '-c', zip, source], { encoding: 'utf8' });
    if (zipped.status !== 0) throw new Error(`the bundle was not zipped: ${zipped.stderr}`);
    await clients.lambda.send(
      new CreateFunctionCommand({
        FunctionName: names.function('broker'),
        Runtime: 'nodejs24.x',
        Handler: 'index.handler',
        Role: names.functionRoleArn('broker'),
        Code: { ZipFile: readFileSync(zip) },
        Timeout: 20,
        Environment: {
          Variables: {
            CATALOG_TABLE: names.catalogTable,
            JOBS_TABLE: names.jobsTable,
            RESTORE_ROLES: JSON.stringify({ home: names.restoreRoleArn('home') }),
          },
        },
      }),
    );
  };

  return {
    templates,
    names,
    clients,
    iam,
    config,
    account,
    region,
    bucket,
    assets,
    userid,
    hostKeys,
    sessionOf,
    arnOfRole,
    deployBroker,
  };
}

export type Account = Awaited<ReturnType<typeof makeAccount>>;
