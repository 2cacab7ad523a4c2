import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sessionPolicyOf } from '../../functions/restore/session-policy.ts';
import { decide, type PolicyStatement } from '../infra/policies/decide.ts';
import { deployed } from '../infra/policies/deployed.ts';

const all = deployed();
const { names, settings } = all;
const owner = settings.control.account;
const bucketArn = names.bucketArn('home');
const bucket = all.bucket('home');
const everything: PolicyStatement = { Effect: 'Allow', Action: '*', Resource: '*' };

const segment = fc.constantFrom(
  'shop',
  'shop2',
  'backups',
  'logs',
  'receipts',
  'registry',
  'b-1',
  'volumes',
  'x',
  '..',
  '',
);
const anyKey = fc.array(segment, { minLength: 1, maxLength: 6 }).map((segments) => segments.join('/'));
/** Every other one as a runner may ask for, so that each denial is the only one in the way of some. */
const key = fc.oneof(
  anyKey,
  anyKey.map((path) => `shop/backups/${path}`),
);
const anyAction = fc.constantFrom(
  ...['GetObject', 'GetObjectVersion', 'PutObject', 'DeleteObject', 'DeleteObjectVersion', 'ListBucket'],
  ...[
    'PutObjectRetention',
    'PutObjectLegalHold',
    'BypassGovernanceRetention',
    'PutObjectAcl',
    'AbortMultipartUpload',
  ],
  ...['PutBucketPolicy', 'PutLifecycleConfiguration', 'RestoreObject', 'ReplicateObject'],
);
const action = fc.oneof(anyAction, fc.constant('PutObject'));
const anyContext = fc.record(
  {
    's3:if-none-match': fc.constant('*'),
    's3:x-amz-server-side-encryption': fc.constantFrom('aws:kms', 'AES256', 'aws:kms:dsse'),
    's3:x-amz-server-side-encryption-aws-kms-key-id': fc.constantFrom(
      all.keyArn('home'),
      'arn:aws:kms:x:1:key/other',
    ),
    's3:x-amz-server-side-encryption-customer-algorithm': fc.constant('AES256'),
    'aws:SecureTransport': fc.constantFrom('true', 'false'),
    's3:TlsVersion': fc.constantFrom('1.0', '1.1', '1.2', '1.3'),
  },
  { requiredKeys: [] },
);
/** Any; one that is right but for one thing at most; or nothing at all. */
const context: typeof anyContext = fc.oneof(
  anyContext,
  fc.tuple(anyContext, fc.nat(6)).map(([any, n]) => ({
    's3:if-none-match': '*' as const,
    ...Object.fromEntries(Object.entries(any).slice(n, n + 1)),
  })),
  fc.constant({}),
);

describe('whatever is asked of the bucket of a site', () => {
  it('a host, given every right by mistake, puts new objects of backups and logs, sealed with the right key, over TLS, and does nothing else', () => {
    fc.assert(
      fc.property(action, key, context, (verb, path, with_) => {
        const of = {
          principal: `arn:aws:iam::${owner}:role/${names.hostRole}`,
          action: `s3:${verb}`,
          resource: `${bucketArn}/${path}`,
          context: with_,
        };
        const verdict = decide(of, { identity: [everything], resource: bucket, owner });
        const right =
          verb === 'PutObject' &&
          with_['s3:if-none-match'] === '*' &&
          /\/(backups|logs)\//.test(path) &&
          !/^(receipts|registry)\//.test(path) &&
          ['aws:kms', undefined].includes(with_['s3:x-amz-server-side-encryption']) &&
          [all.keyArn('home'), undefined].includes(with_['s3:x-amz-server-side-encryption-aws-kms-key-id']) &&
          with_['s3:x-amz-server-side-encryption-customer-algorithm'] === undefined &&
          with_['aws:SecureTransport'] !== 'false' &&
          !['1.0', '1.1'].includes(with_['s3:TlsVersion'] ?? '');
        expect(verdict === 'allowed').toBe(right);
      }),
      { numRuns: 5_000 },
    );
  });

  it('what the broker lends reads what lies below its own cluster, and does nothing else', () => {
    const role = names.restoreRole('home');
    const identity = all.identity(role);
    const session = JSON.parse(
      sessionPolicyOf({ partition: 'aws', bucket: names.bucket('home'), clusterId: 'shop' }),
    ).Statement as PolicyStatement[];
    fc.assert(
      fc.property(action, key, (verb, path) => {
        const verdict = decide(
          {
            principal: `arn:aws:iam::${owner}:role/${role}`,
            action: `s3:${verb}`,
            resource: `${bucketArn}/${path}`,
          },
          { identity, session, resource: bucket, owner },
        );
        const right = /^GetObject(Version)?$/.test(verb) && /^shop\/(.*\/)?(backups|logs)\//.test(path);
        expect(verdict === 'allowed').toBe(right);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('whatever rows are asked for', () => {
  it('a host reaches those whose keys are all its own, and at least one', () => {
    const userid = fc.constantFrom('AROA1:i-0a', 'AROA1:i-0b', 'AROA1:i-0a0', 'AROA1', 'AROA2:i-0a', '');
    const identity = all.identity(names.hostRole);
    fc.assert(
      fc.property(userid, fc.array(userid, { maxLength: 4 }), (own, keys) => {
        const verdict = decide(
          {
            principal: `arn:aws:iam::${owner}:role/${names.hostRole}`,
            action: 'dynamodb:UpdateItem',
            resource: names.tableArn(names.jobsTable),
            context: { 'aws:userid': own, ...(keys.length > 0 ? { 'dynamodb:LeadingKeys': keys } : {}) },
          },
          { identity, owner },
        );
        expect(verdict === 'allowed').toBe(keys.length > 0 && keys.every((k) => k === own));
      }),
      { numRuns: 2_000 },
    );
  });
});
