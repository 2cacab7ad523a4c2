import type { ContextEntry, SimulateCustomPolicyCommandInput } from '@aws-sdk/client-iam';
import { sessionPolicyOf } from '../../functions/restore/session-policy.ts';
import type { Context } from '../infra/policies/conditions.ts';
import type { PolicyStatement } from '../infra/policies/decide.ts';
import type { Deployed } from '../infra/policies/deployed.ts';

/** What AWS must decide: `denied` by a statement, or not allowed by any. */
export type PolicyVerdict = 'allowed' | 'explicitDeny' | 'implicitDeny';
export type PolicyCase = {
  name: string;
  role: string;
  action: string;
  resource: string;
  context: Context;
  expected: PolicyVerdict;
  /** The bucket's or topic's own policy is part of the decision. */
  attached?: PolicyStatement[];
  /** Handed over at AssumeRole. The simulator takes a limit as a permissions boundary, which narrows in the same way. */
  session?: PolicyStatement[];
};

const own = 'AROAEXAMPLEROLEID1234:i-0a';

/** The decisions that the design stands on, each with what the request carries. */
export function policyCases(all: Deployed): PolicyCase[] {
  const { names } = all;
  const jobs = names.tableArn(names.jobsTable);
  const bucketArn = names.bucketArn('home');
  const volume = `${bucketArn}/shop/backups/b-1/volumes/main/000000`;
  const receipt = `${bucketArn}/receipts/shop/b-1/20261123T020000Z-verified.json`;
  const host = (
    name: string,
    action: string,
    resource: string,
    expected: PolicyVerdict,
    context: Context = {},
  ): PolicyCase => ({
    name: `a host ${name}`,
    role: names.hostRole,
    action,
    resource,
    context: { 'aws:userid': own, ...context },
    expected,
    ...(resource.startsWith(bucketArn) ? { attached: all.bucket('home') } : {}),
  });
  const fn = (name: string, action: string, resource: string, expected: PolicyVerdict): PolicyCase => ({
    name: `the function ${name}: ${action} of ${resource}`,
    role: names.functionRole(name),
    action,
    resource,
    context: {},
    expected,
    attached: all.bucket('home'),
  });
  const rows = (...keys: string[]): Context => ({ 'dynamodb:LeadingKeys': keys });
  const once: Context = { 's3:if-none-match': '*' };
  const secret = `arn:aws:secretsmanager:${all.settings.control.region}:${all.settings.control.account}:secret:holdfast/i-0a/root-AbCdEf`;
  const session = JSON.parse(
    sessionPolicyOf({ partition: 'aws', bucket: names.bucket('home'), clusterId: 'shop' }),
  ).Statement as PolicyStatement[];
  const lent = (name: string, action: string, resource: string, expected: PolicyVerdict): PolicyCase => ({
    name: `lent credentials ${name}`,
    role: names.restoreRole('home'),
    action,
    resource,
    context: {},
    expected,
    attached: all.bucket('home'),
    session,
  });
  return [
    host('gets its own row', 'dynamodb:GetItem', jobs, 'allowed', rows(own)),
    host('updates its own row', 'dynamodb:UpdateItem', jobs, 'allowed', rows(own)),
    host('gets a foreign row', 'dynamodb:GetItem', jobs, 'implicitDeny', rows('AROAEXAMPLEROLEID1234:i-0b')),
    host(
      'gets a foreign row beside its own',
      'dynamodb:GetItem',
      jobs,
      'implicitDeny',
      rows(own, 'AROAEXAMPLEROLEID1234:i-0b'),
    ),
    host('gets without a key', 'dynamodb:GetItem', jobs, 'implicitDeny'),
    host('scans', 'dynamodb:Scan', jobs, 'implicitDeny'),
    host('puts once', 's3:PutObject', volume, 'allowed', once),
    host('overwrites', 's3:PutObject', volume, 'explicitDeny'),
    host('puts a receipt', 's3:PutObject', receipt, 'explicitDeny', once),
    host('reads', 's3:GetObject', volume, 'explicitDeny'),
    host('deletes a version', 's3:DeleteObjectVersion', volume, 'explicitDeny'),
    host('sets a retention', 's3:PutObjectRetention', volume, 'explicitDeny'),
    host('brings a key of its own', 's3:PutObject', volume, 'explicitDeny', {
      ...once,
      's3:x-amz-server-side-encryption-customer-algorithm': 'AES256',
    }),
    host('names another key', 's3:PutObject', volume, 'explicitDeny', {
      ...once,
      's3:x-amz-server-side-encryption': 'aws:kms',
      's3:x-amz-server-side-encryption-aws-kms-key-id': 'arn:aws:kms:eu-central-1:111111111111:key/other',
    }),
    host('reads its secret', 'secretsmanager:GetSecretValue', secret, 'allowed', {
      'secretsmanager:ResourceTag/holdfast-userid': own,
    }),
    host('reads a foreign secret', 'secretsmanager:GetSecretValue', secret, 'implicitDeny', {
      'secretsmanager:ResourceTag/holdfast-userid': 'AROAEXAMPLEROLEID1234:i-0b',
    }),
    host('asks the broker', 'lambda:InvokeFunction', names.functionArn('broker'), 'allowed'),
    host('asks another function', 'lambda:InvokeFunction', names.functionArn('register'), 'implicitDeny'),
    host('answers a task', 'states:SendTaskSuccess', names.machineArn('backup'), 'allowed'),
    host('starts an execution', 'states:StartExecution', names.machineArn('backup'), 'implicitDeny'),
    host('takes the restore role', 'sts:AssumeRole', names.restoreRoleArn('home'), 'implicitDeny'),
    fn('verify', 's3:GetObject', volume, 'allowed'),
    fn('verify', 's3:PutObject', volume, 'implicitDeny'),
    fn('verify', 's3:PutObject', receipt, 'explicitDeny'),
    fn('record', 's3:PutObject', receipt, 'allowed'),
    fn('record', 's3:DeleteObjectVersion', receipt, 'explicitDeny'),
    fn('reconcile', 's3:DeleteObject', volume, 'explicitDeny'),
    lent('read their cluster', 's3:GetObject', volume, 'allowed'),
    lent(
      'read another cluster',
      's3:GetObject',
      `${bucketArn}/shop2/backups/b/manifest.json`,
      'implicitDeny',
    ),
    lent('read a receipt', 's3:GetObject', receipt, 'implicitDeny'),
    lent('list', 's3:ListBucket', bucketArn, 'implicitDeny'),
    lent('write', 's3:PutObject', volume, 'implicitDeny'),
  ];
}

/** Keys whose values are no text to the simulator. */
const types: Record<string, ContextEntry['ContextKeyType']> = {
  'aws:SecureTransport': 'boolean',
  's3:TlsVersion': 'numeric',
};

const entries = (context: Context): ContextEntry[] =>
  Object.entries(context).map(([ContextKeyName, value]) => ({
    ContextKeyName,
    ContextKeyValues: [value].flat() as string[],
    ContextKeyType: types[ContextKeyName] ?? (typeof value === 'string' ? 'string' : 'stringList'),
  }));

const document = (Statement: readonly PolicyStatement[]) =>
  JSON.stringify({ Version: '2012-10-17', Statement });

/** The request that asks AWS for a decision. */
export function simulation(all: Deployed, one: PolicyCase): SimulateCustomPolicyCommandInput {
  const { account } = all.settings.control;
  const caller = `arn:aws:iam::${account}:role/${one.role}`;
  return {
    PolicyInputList: [document(all.identity(one.role))],
    ActionNames: [one.action],
    ResourceArns: [one.resource],
    CallerArn: caller,
    ...(one.attached
      ? { ResourcePolicy: document(one.attached), ResourceOwner: `arn:aws:iam::${account}:root` }
      : {}),
    ...(one.session ? { PermissionsBoundaryPolicyInputList: [document(one.session)] } : {}),
    ContextEntries: entries({
      'aws:PrincipalArn': caller,
      'aws:SecureTransport': 'true',
      's3:TlsVersion': '1.3',
      ...one.context,
    }),
  };
}
