import { describe, expect, it } from 'vitest';
import { sessionPolicyOf } from '../../../functions/restore/session-policy.ts';
import type { Context } from './conditions.ts';
import { decide, type PolicyStatement, type Verdict } from './decide.ts';
import { deployed } from './deployed.ts';

// The emulator knows neither s3:if-none-match nor the keys' ViaService nor TLS: here the synthesized policies are
// evaluated instead, as IAM would. `npm run contract` asks AWS itself.
const all = deployed();
const { names, settings } = all;
const { account } = settings.control;
const bucketArn = names.bucketArn('home');
const roleArn = (name: string) => `arn:aws:iam::${account}:role/${name}`;
const host = names.hostRole;
const of = (name: string) => names.functionRole(name);
const everything: PolicyStatement = { Effect: 'Allow', Action: '*', Resource: '*' };

/** May this role act on this key of the home bucket (without a key: on the bucket)? */
function may(
  name: string,
  action: string,
  key: string | undefined,
  more: { context?: Context; identity?: PolicyStatement[]; session?: PolicyStatement[] } = {},
): Verdict {
  const { context, session, identity = all.identity(name) } = more;
  return decide(
    {
      principal: roleArn(name),
      action,
      resource: key === undefined ? bucketArn : `${bucketArn}/${key}`,
      ...(context ? { context } : {}),
    },
    { identity, resource: all.bucket('home'), owner: account, ...(session ? { session } : {}) },
  );
}

const volume = 'shop/backups/b-1/volumes/main/000000';
const receipt = 'receipts/shop/b-1/20261123T020000Z-verified.json';
/** What control alone writes. The second is a receipt of a cluster whose name is that of the folder of backups. */
const control = [
  receipt,
  'receipts/backups/b-1/20261123T020000Z-verified.json',
  'registry/clusters/shop.json',
];
const once: Context = { 's3:if-none-match': '*' };

describe('a host at the bucket of its site', () => {
  it.each([
    volume,
    'shop/backups/b-1/index/j-1.jsonl.zst',
    'shop/backups/b-1/log/j-1.zst',
    'shop/backups/b-1/manifest.json',
    'shop/logs/main/t-1/20261123/000001-x.segment',
  ])('puts %s, once', (key) => {
    expect(may(host, 's3:PutObject', key, { context: once })).toBe('allowed');
    expect(may(host, 's3:PutObject', key)).toBe('denied: HostsWriteOnce');
  });

  it.each([
    [receipt, 'a statement without a Sid'],
    ['registry/clusters/shop.json', 'a statement without a Sid'],
    ['shop/manifest.json', 'HostsPutBackupsAndLogsOnly'],
    ['anything', 'HostsPutBackupsAndLogsOnly'],
  ])('does not put %s', (key, by) => {
    expect(may(host, 's3:PutObject', key, { context: once })).toBe(`denied: ${by}`);
  });

  it.each([
    ['s3:GetObject', volume],
    ['s3:GetObjectVersion', volume],
    ['s3:GetObjectAttributes', volume],
    ['s3:ListBucket', undefined],
    ['s3:ListBucketVersions', undefined],
    ['s3:ListBucketMultipartUploads', undefined],
    ['s3:AbortMultipartUpload', volume],
    ['s3:DeleteObject', volume],
    ['s3:DeleteObjectVersion', volume],
    ['s3:PutObjectRetention', volume],
    ['s3:PutObjectLegalHold', volume],
    ['s3:BypassGovernanceRetention', volume],
    ['s3:PutObjectAcl', volume],
    ['s3:PutObjectTagging', volume],
    ['s3:RestoreObject', volume],
    ['s3:ReplicateObject', volume],
    ['s3:PutBucketPolicy', undefined],
    ['s3:DeleteBucketPolicy', undefined],
    ['s3:PutLifecycleConfiguration', undefined],
    ['s3:PutBucketVersioning', undefined],
  ])(
    'has no right to %s, and was its role given every right by mistake, the bucket still refuses',
    (action, key) => {
      expect(may(host, action, key)).toMatch(/^denied/);
      expect(may(host, action, key, { identity: [everything], context: once })).toMatch(/^denied/);
    },
  );

  it.each<[string, Context, string]>([
    [
      'under a key of the caller’s own',
      { 's3:x-amz-server-side-encryption-customer-algorithm': 'AES256' },
      'NoCustomerKeys',
    ],
    ['under S3’s own key', { 's3:x-amz-server-side-encryption': 'AES256' }, 'NoOtherAlgorithm'],
    [
      'under another key',
      {
        's3:x-amz-server-side-encryption': 'aws:kms',
        's3:x-amz-server-side-encryption-aws-kms-key-id': `arn:aws:kms:eu-central-1:${account}:key/other`,
      },
      'NoOtherKey',
    ],
    ['without TLS', { 'aws:SecureTransport': 'false' }, 'a statement without a Sid'],
    ['with an old TLS', { 's3:TlsVersion': '1.1' }, 'a statement without a Sid'],
  ])('puts nothing %s', (_, context, by) => {
    expect(may(host, 's3:PutObject', volume, { context: { ...once, ...context } })).toBe(`denied: ${by}`);
  });

  it('may name the right key, or none', () => {
    const context = {
      ...once,
      's3:x-amz-server-side-encryption': 'aws:kms',
      's3:x-amz-server-side-encryption-aws-kms-key-id': all.keyArn('home'),
    };
    expect(may(host, 's3:PutObject', volume, { context })).toBe('allowed');
  });

  it('cannot copy what lies there into a place that it may write: it would have to read it', () => {
    expect(may(host, 's3:PutObject', volume, { context: once })).toBe('allowed');
    expect(may(host, 's3:GetObject', volume)).toBe('denied: HostsOnlyPut');
  });
});

describe('every other role at the bucket', () => {
  const mine = all.roles.filter(({ arn }) => arn.includes(account)).map(({ name }) => name);
  const who = (action: string, key?: string) =>
    mine.filter((name) => may(name, action, key) === 'allowed').toSorted();
  const functions = (...list: string[]) => list.map(of).toSorted();
  const readers = functions('find-manifest', 'plan-restore', 'reconcile', 'record', 'verify');

  it('reads, lists and writes as its task needs, and nobody else does', () => {
    expect(who('s3:GetObject', volume)).toEqual([...readers, names.restoreRole('home')].toSorted());
    expect(who('s3:GetObject', receipt)).toEqual(functions('rebuild', 'record', 'record-restore'));
    expect(who('s3:GetObject', 'registry/clusters/shop.json')).toEqual(functions('rebuild'));
    expect(who('s3:ListBucket')).toEqual([...readers, ...functions('rebuild', 'record-restore')].toSorted());
    expect(who('s3:PutObject', receipt)).toEqual(functions('record', 'record-restore'));
    expect(who('s3:PutObject', 'receipts/shop/logs/main/t/20261123-gap.json')).toEqual(
      functions('reconcile', 'record', 'record-restore'),
    );
    expect(who('s3:PutObject', 'registry/clusters/shop.json')).toEqual(functions('register'));
    expect(who('s3:PutObject', volume)).toEqual([]);
  });

  it.each([
    's3:DeleteObject',
    's3:BypassGovernanceRetention',
    's3:PutObjectRetention',
    's3:PutObjectLegalHold',
    's3:PutBucketPolicy',
    's3:DeleteBucket',
  ])('has no right to %s in this version', (action) => {
    expect([...who(action, volume), ...who(action)]).toEqual([]);
  });

  it('has no right to s3:DeleteObjectVersion unless it is retention, and that for backups alone', () => {
    expect(who('s3:DeleteObjectVersion', volume)).toEqual(functions('retention'));
    for (const key of [...control, 'shop/logs/main/t/20261123/1-x.segment'])
      expect(who('s3:DeleteObjectVersion', key), key).toEqual([]);
  });

  const gifted = (name: string, action: string, key?: string) =>
    may(name, action, key, { identity: [everything] });

  it('is held back by the bucket, whatever it is given: versions go by retention alone, locks come by three roles', () => {
    const given = [...mine, of('copy'), 'somebody-with-every-right'];
    const allowed = (action: string, key?: string) =>
      given.filter((name) => gifted(name, action, key) === 'allowed').toSorted();
    expect(allowed('s3:DeleteObject', volume)).toEqual([]);
    expect(allowed('s3:BypassGovernanceRetention', volume)).toEqual([]);
    expect(allowed('s3:DeleteObjectVersion', volume)).toEqual([of('retention')]);
    for (const key of control) expect(allowed('s3:DeleteObjectVersion', key), key).toEqual([]);
    for (const action of ['s3:PutObjectRetention', 's3:PutObjectLegalHold'])
      expect(allowed(action, volume)).toEqual(functions('copy', 'retention', 'verify'));
    expect(allowed('s3:PutObject', receipt)).toEqual(functions('reconcile', 'record', 'record-restore'));
    expect(allowed('s3:PutObject', 'registry/clusters/shop.json')).toEqual(functions('register'));
    for (const action of ['s3:PutLifecycleConfiguration', 's3:PutBucketVersioning', 's3:DeleteBucket'])
      expect(allowed(action)).toEqual([]);
    const deployment = names.deploymentRoleArn(settings.control).split('/').at(-1)!;
    expect(gifted(deployment, 's3:PutLifecycleConfiguration')).toBe('allowed');
  });
});

describe('what the broker lends', () => {
  const restore = names.restoreRole('home');
  const session = JSON.parse(
    sessionPolicyOf({ partition: 'aws', bucket: names.bucket('home'), clusterId: 'shop' }),
  ).Statement as PolicyStatement[];
  const lent = (action: string, key?: string, context: Context = {}) =>
    may(restore, action, key, { session, context });

  it.each(['s3:GetObject', 's3:GetObjectVersion'])('lets %s of one cluster', (action) => {
    expect(lent(action, volume)).toBe('allowed');
    expect(lent(action, 'shop/logs/main/t/20261123/1-x.segment')).toBe('allowed');
    for (const other of [
      'shop2/backups/b/manifest.json',
      'sho/backups/b/manifest.json',
      'other/shop/backups/b',
      receipt,
    ])
      expect(lent(action, other), other).toBe('not allowed');
  });

  it.each(['s3:ListBucket', 's3:PutObject', 's3:DeleteObjectVersion', 's3:PutObjectRetention'])(
    'never %s',
    (action) => {
      expect(lent(action, volume, once)).not.toBe('allowed');
      expect(lent(action)).not.toBe('allowed');
    },
  );
});
