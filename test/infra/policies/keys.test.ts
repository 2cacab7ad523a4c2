import { describe, expect, it } from 'vitest';
import { sessionPolicyOf } from '../../../functions/restore/session-policy.ts';
import type { Context } from './conditions.ts';
import { decide, type PolicyStatement } from './decide.ts';
import { deployed } from './deployed.ts';

// Policies of keys are enforced nowhere on the local target: S3 there seals nothing.
const all = deployed();
const { names, settings } = all;
const { account } = settings.control;
const arn = (name: string) => `arn:aws:iam::${account}:role/${name}`;
const throughS3 = (region = 'eu-central-1', alias = names.keyAlias('home')): Context => ({
  'kms:ViaService': `s3.${region}.amazonaws.com`,
  'kms:ResourceAliases': [alias],
});

const atKey = (
  site: string,
  principal: string,
  action: string,
  context: Context,
  identity: PolicyStatement[],
  session?: PolicyStatement[],
) =>
  decide(
    { principal, action, resource: all.keyArn(site), context },
    {
      identity,
      resource: all.key(site),
      owner: settings.sites[site]!.account,
      resourceMustAllow: true,
      ...(session ? { session } : {}),
    },
  );
const may = (name: string, action: string, context: Context) =>
  atKey('home', arn(name), action, context, all.identity(name));
const everything: PolicyStatement = { Effect: 'Allow', Action: '*', Resource: '*' };

describe('the key of a site', () => {
  const mine = all.roles.filter((role) => role.arn.includes(account)).map(({ name }) => name);
  const who = (action: string, context: Context) =>
    mine.filter((name) => may(name, action, context) === 'allowed').toSorted();
  const functions = (...list: string[]) => list.map(names.functionRole);

  it('seals for hosts and writers, opens for readers and restores, all through S3 in its region', () => {
    expect(who('kms:GenerateDataKey', throughS3())).toEqual(
      [names.hostRole, ...functions('reconcile', 'record', 'record-restore', 'register')].toSorted(),
    );
    expect(who('kms:Decrypt', throughS3())).toEqual(
      [
        names.restoreRole('home'),
        ...functions(
          'find-manifest',
          'plan-restore',
          'rebuild',
          'reconcile',
          'record',
          'record-restore',
          'verify',
        ),
      ].toSorted(),
    );
  });

  it.each<[string, Context]>([
    ['directly', { 'kms:ResourceAliases': [names.keyAlias('home')] }],
    ['through S3 of another region', throughS3('us-east-1')],
    [
      'through another service',
      { ...throughS3(), 'kms:ViaService': 'secretsmanager.eu-central-1.amazonaws.com' },
    ],
  ])('is used %s by nobody', (_, context) => {
    for (const action of ['kms:GenerateDataKey', 'kms:Decrypt', 'kms:Encrypt', 'kms:ReEncryptFrom'])
      expect(who(action, context), action).toEqual([]);
  });

  it('opens nothing for a host, were its role given every right', () => {
    const given = (action: string) => atKey('home', arn(names.hostRole), action, throughS3(), [everything]);
    for (const action of ['kms:Decrypt', 'kms:CreateGrant', 'kms:ScheduleKeyDeletion', 'kms:PutKeyPolicy'])
      expect(given(action), action).toBe('denied: HostsOnlySeal');
  });

  it('is neither disabled, deleted nor granted away by any role of ours', () => {
    for (const action of ['kms:ScheduleKeyDeletion', 'kms:DisableKey', 'kms:PutKeyPolicy', 'kms:CreateGrant'])
      expect(who(action, throughS3()), action).toEqual([]);
  });

  it('stays with its account: IAM there may administer it, and grants no use by that', () => {
    const operator = 'arn:aws:iam::111111111111:role/administrator';
    expect(atKey('home', operator, 'kms:PutKeyPolicy', {}, [everything])).toBe('allowed');
    expect(atKey('home', operator, 'kms:Decrypt', {}, [everything])).toBe('not allowed');
    expect(atKey('home', operator, 'kms:Decrypt', throughS3(), [everything])).toBe('allowed');
  });

  it('of another account opens for readers of Control, and for nobody else of Control’s account', () => {
    const away = (name: string, action: string) =>
      atKey(
        'away',
        arn(name),
        action,
        { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' },
        all.identity(name),
      );
    expect(away(names.functionRole('verify'), 'kms:Decrypt')).toBe('allowed');
    expect(away(names.hostRole, 'kms:GenerateDataKey')).toBe('allowed');
    expect(away(names.hostRole, 'kms:Decrypt')).toBe('denied: HostsOnlySeal');
    expect(
      atKey('away', arn('administrator'), 'kms:Decrypt', { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' }, [
        everything,
      ]),
    ).toBe('not allowed');
  });

  it('opens for what the broker lends as for the restore role, no further', () => {
    const session = JSON.parse(
      sessionPolicyOf({ partition: 'aws', bucket: names.bucket('home'), clusterId: 'shop' }),
    ).Statement as PolicyStatement[];
    const restore = names.restoreRole('home');
    const lent = (action: string, context: Context) =>
      atKey('home', arn(restore), action, context, all.identity(restore), session);
    expect(lent('kms:Decrypt', throughS3())).toBe('allowed');
    expect(lent('kms:Decrypt', {})).toBe('not allowed');
    expect(lent('kms:GenerateDataKey', throughS3())).toBe('not allowed');
  });
});

describe('the key of alarms', () => {
  const may = (principal: string, context: Context, identity: PolicyStatement[] = []) =>
    decide(
      {
        principal,
        action: 'kms:GenerateDataKey',
        resource: `arn:aws:kms:eu-central-1:${account}:key/alarms`,
        context,
      },
      { identity, resource: all.alarmKey(), owner: account, resourceMustAllow: true },
    );

  it('seals for CloudWatch of this account, EventBridge and SNS', () => {
    expect(may('cloudwatch.amazonaws.com', { 'aws:SourceAccount': account })).toBe('allowed');
    expect(may('cloudwatch.amazonaws.com', { 'aws:SourceAccount': '999999999999' })).toBe('not allowed');
    expect(may('events.amazonaws.com', {})).toBe('allowed');
    expect(may('sns.amazonaws.com', {})).toBe('allowed');
    expect(may('ec2.amazonaws.com', { 'aws:SourceAccount': account })).toBe('not allowed');
  });

  it('opens for roles of this account through queue and topic only', () => {
    const operator = arn('operator');
    expect(may(operator, { 'kms:ViaService': 'sqs.eu-central-1.amazonaws.com' }, [everything])).toBe(
      'allowed',
    );
    expect(may(operator, {}, [everything])).toBe('not allowed');
  });
});

describe('the key of the bus', () => {
  const ofBus = (bus: string): Context => ({ 'kms:EncryptionContext:aws:events:event-bus:arn': bus });
  const may = (principal: string, action: string, context: Context, identity: PolicyStatement[] = []) =>
    decide(
      {
        principal,
        action: `kms:${action}`,
        resource: `arn:aws:kms:eu-central-1:${account}:key/bus`,
        context,
      },
      { identity, resource: all.busKey(), owner: account, resourceMustAllow: true },
    ) === 'allowed';
  const other = names.busArn.replace(/[^/]+$/, 'other');

  it('seals and opens for EventBridge, events of this bus alone', () => {
    const byBus = (source: string, bus: string) => ({ 'aws:SourceArn': source, ...ofBus(bus) });
    for (const action of ['Decrypt', 'GenerateDataKey']) {
      expect(may('events.amazonaws.com', action, byBus(names.busArn, names.busArn))).toBe(true);
      expect(may('events.amazonaws.com', action, byBus(other, names.busArn))).toBe(false);
      expect(may('events.amazonaws.com', action, byBus(names.busArn, other))).toBe(false);
      expect(may('sns.amazonaws.com', action, byBus(names.busArn, names.busArn))).toBe(false);
    }
  });

  it('opens for whoever has the right to, events of this bus alone, and for none of our roles', () => {
    const person = arn('operator');
    expect(may(person, 'Decrypt', ofBus(names.busArn), [everything])).toBe(true);
    expect(may(person, 'Decrypt', {}, [everything])).toBe(false);
    expect(may(person, 'GenerateDataKey', ofBus(names.busArn), [everything])).toBe(false);
    const able = all.roles.filter((role) =>
      may(role.arn, 'Decrypt', ofBus(names.busArn), all.identity(role.name)),
    );
    expect(able).toEqual([]);
  });
});

describe('the topic of alarms', () => {
  const may = (principal: string, context: Context) =>
    decide(
      { principal, action: 'sns:Publish', resource: names.topicArn, context },
      { identity: [], resource: all.alarmTopic(), owner: account },
    );

  it('takes what CloudWatch of this account publishes, over TLS', () => {
    expect(may('cloudwatch.amazonaws.com', { 'aws:SourceAccount': account })).toBe('allowed');
    expect(may('cloudwatch.amazonaws.com', { 'aws:SourceAccount': '999999999999' })).toBe('not allowed');
    expect(
      may('cloudwatch.amazonaws.com', { 'aws:SourceAccount': account, 'aws:SecureTransport': 'false' }),
    ).toMatch(/^denied/);
  });
});
