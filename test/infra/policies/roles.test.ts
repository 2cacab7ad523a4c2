import { describe, expect, it } from 'vitest';
import { runJobDocument } from '../../../infra/hosts/run-job-document.ts';
import type { Context } from './conditions.ts';
import { decide, type PolicyStatement } from './decide.ts';
import { deployed } from './deployed.ts';

const all = deployed();
const { names, settings } = all;
const { account } = settings.control;
const arn = (name: string) => `arn:aws:iam::${account}:role/${name}`;
const own = 'AROAEXAMPLEROLEID1234:i-0a';
const foreign = 'AROAEXAMPLEROLEID1234:i-0b';

/** By the role's own policy alone. */
const may = (name: string, action: string, resource: string, context: Context = {}) =>
  decide(
    { principal: arn(name), action, resource, context },
    { identity: all.identity(name), owner: account },
  );
const host = (action: string, resource: string, context: Context = {}) =>
  may(names.hostRole, action, resource, { 'aws:userid': own, ...context });

describe('job rows', () => {
  const jobs = names.tableArn(names.jobsTable);
  const keys = (...leading: string[]): Context => ({ 'dynamodb:LeadingKeys': leading });

  it.each(['dynamodb:GetItem', 'dynamodb:UpdateItem'])(
    '%s reaches the host’s own and no others',
    (action) => {
      expect(host(action, jobs, keys(own))).toBe('allowed');
      expect(host(action, jobs, keys(foreign))).toBe('not allowed');
      expect(host(action, jobs, keys('AROAEXAMPLEROLEID1234'))).toBe('not allowed');
      expect(host(action, jobs, keys(`${own}0`))).toBe('not allowed');
    },
  );

  it('are out of reach for a request that names no key, and for one that names a foreign one beside', () => {
    expect(host('dynamodb:GetItem', jobs)).toBe('not allowed');
    expect(host('dynamodb:GetItem', jobs, keys(own, foreign))).toBe('not allowed');
    expect(host('dynamodb:UpdateItem', jobs, keys(own, own))).toBe('allowed');
  });

  it('are out of reach for a session that has no identity of a host', () => {
    expect(may(names.hostRole, 'dynamodb:GetItem', jobs, keys(''))).toBe('not allowed');
  });

  it.each([
    'dynamodb:Query',
    'dynamodb:Scan',
    'dynamodb:PutItem',
    'dynamodb:DeleteItem',
    'dynamodb:BatchGetItem',
    'dynamodb:BatchWriteItem',
    'dynamodb:ConditionCheckItem',
    'dynamodb:PartiQLSelect',
    'dynamodb:PartiQLUpdate',
    'dynamodb:DescribeTable',
    'dynamodb:DeleteTable',
    'dynamodb:ExportTableToPointInTime',
  ])('know no %s by a host, not even of its own', (action) => {
    expect(host(action, jobs, keys(own))).toBe('not allowed');
  });

  it('are in one table: the catalog and indexes are closed', () => {
    for (const table of [names.tableArn(names.catalogTable), `${jobs}/index/any`, `${jobs}/stream/any`])
      expect(host('dynamodb:GetItem', table, keys(own)), table).toBe('not allowed');
  });
});

describe('secrets of hosts', () => {
  const secret = (name: string) => `arn:aws:secretsmanager:eu-central-1:${account}:secret:${name}-AbCdEf`;
  const tagged = (userid: string): Context => ({ 'secretsmanager:ResourceTag/holdfast-userid': userid });
  const read = (name: string, context: Context) =>
    host('secretsmanager:GetSecretValue', secret(name), context);

  it('are read by the host whose tag they carry', () => {
    expect(read('holdfast/i-0a/root', tagged(own))).toBe('allowed');
    expect(read('holdfast/i-0a/root', tagged(foreign))).toBe('not allowed');
    expect(read('holdfast/i-0a/root', {})).toBe('not allowed');
    expect(read('payroll/i-0a/root', tagged(own))).toBe('not allowed');
  });

  it.each(['PutSecretValue', 'TagResource', 'ListSecrets', 'DescribeSecret', 'DeleteSecret', 'UpdateSecret'])(
    'know no %s by a host',
    (action) => {
      expect(host(`secretsmanager:${action}`, secret('holdfast/i-0a/root'), tagged(own))).toBe('not allowed');
    },
  );
});

describe('what else a host may', () => {
  it('answers tasks of Backup and Restore, and starts or stops nothing', () => {
    for (const action of ['states:SendTaskSuccess', 'states:SendTaskFailure', 'states:SendTaskHeartbeat']) {
      expect(host(action, names.machineArn('restore'))).toBe('allowed');
      expect(host(action, names.machineArn('fleet-backup'))).toBe('not allowed');
    }
    for (const action of [
      'StartExecution',
      'StopExecution',
      'DescribeExecution',
      'GetExecutionHistory',
      'RedriveExecution',
    ])
      expect(host(`states:${action}`, names.machineArn('backup')), action).toBe('not allowed');
  });

  it('invokes the broker and no other function', () => {
    const invoked = ['broker', 'register', 'verify', 'record', 'dispatch', 'reconcile', 'rebuild'].filter(
      (name) => host('lambda:InvokeFunction', names.functionArn(name)) === 'allowed',
    );
    expect(invoked).toEqual(['broker']);
    for (const action of ['UpdateFunctionCode', 'GetFunction', 'UpdateFunctionConfiguration'])
      expect(host(`lambda:${action}`, names.functionArn('broker')), action).toBe('not allowed');
  });

  it('sends no command, reads no parameter and assumes no role', () => {
    const document = names.documentArn(settings.control);
    expect(host('ssm:SendCommand', document)).toBe('not allowed');
    for (const action of [
      'ssm:GetParameter',
      'ssm:GetParameters',
      'ssm:GetParametersByPath',
      'ssm:PutParameter',
    ])
      expect(host(action, names.policyArns.replace('*', 'nightly')), action).toBe('not allowed');
    for (const role of [names.dispatchRole, names.restoreRole('home'), names.hostRole])
      expect(host('sts:AssumeRole', arn(role)), role).toBe('not allowed');
  });
});

describe('the dispatch role', () => {
  const send = (resource: string, context: Context = {}) =>
    may(names.dispatchRole, 'ssm:SendCommand', resource, context);
  const tag = (value: string): Context => ({ 'ssm:resourceTag/holdfast': value });
  const node = (id: string, kind = 'ec2', what = 'instance') =>
    `arn:aws:${kind}:eu-central-1:${account}:${what}/${id}`;

  it('sends our document to tagged nodes, on EC2 or not', () => {
    expect(send(names.documentArn(settings.control))).toBe('allowed');
    expect(send(node('i-0a'), tag('holdfast'))).toBe('allowed');
    expect(send(node('mi-0a', 'ssm', 'managed-instance'), tag('holdfast'))).toBe('allowed');
  });

  it('sends no other document, and nothing to other nodes', () => {
    expect(send('arn:aws:ssm:eu-central-1::document/AWS-RunShellScript')).toBe('not allowed');
    expect(send(`arn:aws:ssm:eu-central-1:${account}:document/other`)).toBe('not allowed');
    expect(send(node('i-0a'))).toBe('not allowed');
    expect(send(node('i-0a'), tag('another-installation'))).toBe('not allowed');
    expect(send(`arn:aws:ec2:eu-central-1:222222222222:instance/i-0a`, tag('holdfast'))).toBe('not allowed');
    expect(Object.keys(runJobDocument.parameters)).toEqual(['JobId']);
  });

  it('looks up the hosts’ role and no other', () => {
    expect(may(names.dispatchRole, 'iam:GetRole', arn(names.hostRole))).toBe('allowed');
    expect(may(names.dispatchRole, 'iam:GetRole', arn(names.dispatchRole))).toBe('not allowed');
    expect(may(names.dispatchRole, 'iam:PassRole', arn(names.hostRole))).toBe('not allowed');
  });
});

describe('who takes which role', () => {
  const everything: PolicyStatement = { Effect: 'Allow', Action: '*', Resource: '*' };
  const takes = (principal: string, role: string, identity: PolicyStatement[]) =>
    decide(
      { principal, action: 'sts:AssumeRole', resource: arn(role) },
      { identity, resource: all.trust(role), owner: account, resourceMustAllow: true },
    ) === 'allowed';
  const mine = all.roles.filter((role) => role.arn.includes(`:${account}:`)).map(({ name }) => name);
  const whoTakes = (role: string) =>
    mine.filter((name) => takes(arn(name), role, all.identity(name))).toSorted();

  it('is one function each for the restore and the dispatch role, with Register for the second', () => {
    expect(whoTakes(names.restoreRole('home'))).toEqual([names.functionRole('broker')]);
    expect(whoTakes(names.dispatchRole)).toEqual(['dispatch', 'register'].map(names.functionRole));
  });

  it('is no role of ours for any other', () => {
    const others = mine.filter((role) => role !== names.restoreRole('home') && role !== names.dispatchRole);
    expect(others.length).toBeGreaterThan(20);
    for (const role of others) expect(whoTakes(role), role).toEqual([]);
  });

  it('is no person, whatever rights that person has', () => {
    for (const role of mine) {
      const trust = all.trust(role).flatMap(({ Principal }) => Object.keys(Principal as object));
      expect(takes(arn('administrator'), role, [everything]), role).toBe(false);
      expect(trust.length, role).toBeGreaterThan(0);
    }
  });

  it('is the one service that runs it', () => {
    const services = ['ec2', 'ssm', 'lambda', 'states', 'scheduler', 'events'].map(
      (s) => `${s}.amazonaws.com`,
    );
    const by = (role: string) =>
      services.filter(
        (service) =>
          decide(
            {
              principal: service,
              action: 'sts:AssumeRole',
              resource: arn(role),
              context: { 'aws:SourceAccount': account },
            },
            { identity: [], resource: all.trust(role), owner: account },
          ) === 'allowed',
      );
    expect(by(names.hostRole)).toEqual(['ec2.amazonaws.com', 'ssm.amazonaws.com']);
    expect(by(names.dispatchRole)).toEqual([]);
    expect(by(names.restoreRole('home'))).toEqual([]);
    expect(by(names.functionRole('verify'))).toEqual(['lambda.amazonaws.com']);
  });
});

describe('nobody', () => {
  const forbidden: [string, string][] = [
    ['iam:PassRole', arn(names.hostRole)],
    ['iam:CreateRole', arn('new')],
    ['iam:PutRolePolicy', arn(names.hostRole)],
    ['iam:AttachRolePolicy', arn(names.hostRole)],
    ['iam:CreateAccessKey', `arn:aws:iam::${account}:user/any`],
    ['sts:AssumeRole', arn('administrator')],
    ['lambda:UpdateFunctionCode', names.functionArn('verify')],
    ['lambda:AddPermission', names.functionArn('broker')],
    ['ssm:PutParameter', names.policyArns.replace('*', 'nightly')],
    ['ssm:CreateDocument', names.documentArn(settings.control)],
    ['ssm:UpdateDocument', names.documentArn(settings.control)],
    ['dynamodb:DeleteTable', names.tableArn(names.catalogTable)],
    ['dynamodb:Scan', names.tableArn(names.jobsTable)],
    [
      'secretsmanager:PutSecretValue',
      `arn:aws:secretsmanager:eu-central-1:${account}:secret:holdfast/i-0a/root`,
    ],
    ['cloudwatch:DeleteAlarms', `arn:aws:cloudwatch:eu-central-1:${account}:alarm:holdfast-backup-failed`],
    ['logs:DeleteLogGroup', `arn:aws:logs:eu-central-1:${account}:log-group:/aws/lambda/holdfast-verify`],
    ['cloudtrail:StopLogging', '*'],
    ['states:UpdateStateMachine', names.machineArn('backup')],
  ];

  it.each(forbidden)('of our roles may %s', (action, resource) => {
    const able = all.roles
      .filter(({ name }) => may(name, action, resource) === 'allowed')
      .map(({ name }) => name);
    expect(able).toEqual([]);
  });
});
