import { AnyPrincipal, type Conditions, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { whoOf } from './who.ts';

const deny = (sid: string, actions: string[], resources: string[], conditions: Conditions = {}) =>
  new PolicyStatement({
    sid,
    effect: Effect.DENY,
    principals: [new AnyPrincipal()],
    actions,
    resources,
    conditions,
  });

/**
 * Denials that both buckets of a site share: one key for every object, versions deleted by the retention role
 * alone, no way around a lock, and the bucket's own settings changed by the deployment alone. The policy itself
 * stays with IAM of the account, so that nobody is locked out for good.
 */
export function sharedGuards(of: {
  bucketArn: string;
  keyArn: string;
  settings: Settings;
  names: Names;
  site: string;
}) {
  const { bucketArn, keyArn, settings, names, site } = of;
  const who = whoOf(settings, names);
  const objects = [`${bucketArn}/*`];
  const algorithm = 's3:x-amz-server-side-encryption';
  const keyId = 's3:x-amz-server-side-encryption-aws-kms-key-id';
  return [
    deny('NoCustomerKeys', ['s3:PutObject'], objects, {
      Null: { 's3:x-amz-server-side-encryption-customer-algorithm': 'false' },
    }),
    // A header that is absent means the bucket's default, which is right; so only a present and wrong one is denied.
    deny('NoOtherAlgorithm', ['s3:PutObject'], objects, {
      Null: { [algorithm]: 'false' },
      StringNotEquals: { [algorithm]: 'aws:kms' },
    }),
    deny('NoOtherKey', ['s3:PutObject'], objects, {
      Null: { [keyId]: 'false' },
      StringNotEquals: { [keyId]: keyArn },
    }),
    deny('OnlyRetentionDeletesVersions', ['s3:DeleteObjectVersion'], objects, {
      ArnNotEquals: { 'aws:PrincipalArn': who.retention },
    }),
    deny('NobodyBypassesLocks', ['s3:BypassGovernanceRetention'], objects),
    deny('OnlyVerifyCopyAndRetentionLock', ['s3:PutObjectLegalHold', 's3:PutObjectRetention'], objects, {
      ArnNotEquals: { 'aws:PrincipalArn': who.retentionSetters },
    }),
    deny(
      'OnlyTheDeploymentChangesTheBucket',
      [
        's3:DeleteBucket',
        's3:PutBucketObjectLockConfiguration',
        's3:PutBucketPublicAccessBlock',
        's3:PutBucketVersioning',
        's3:PutEncryptionConfiguration',
        's3:PutLifecycleConfiguration',
        's3:PutReplicationConfiguration',
      ],
      [bucketArn],
      { ArnNotEquals: { 'aws:PrincipalArn': names.deploymentRoleArn(settings.sites[site]!) } },
    ),
  ];
}

/** Denials of the site's bucket alone: what a host may do there, and who else writes. */
export function siteGuards(of: { bucketArn: string; settings: Settings; names: Names }) {
  const { bucketArn, settings, names } = of;
  const who = whoOf(settings, names);
  const hosts = { ArnEquals: { 'aws:PrincipalArn': who.hosts } };
  const hostKeys = [`${bucketArn}/*/backups/*`, `${bucketArn}/*/logs/*`];
  return [
    new PolicyStatement({
      sid: 'HostsOnlyPut',
      effect: Effect.DENY,
      principals: [new AnyPrincipal()],
      notActions: ['s3:PutObject'],
      resources: [bucketArn, `${bucketArn}/*`],
      conditions: hosts,
    }),
    new PolicyStatement({
      sid: 'HostsPutBackupsAndLogsOnly',
      effect: Effect.DENY,
      principals: [new AnyPrincipal()],
      actions: ['s3:PutObject'],
      notResources: hostKeys,
      conditions: hosts,
    }),
    deny('HostsWriteOnce', ['s3:PutObject'], [`${bucketArn}/*`], {
      ...hosts,
      Null: { 's3:if-none-match': 'true' },
    }),
    deny('OnlyControlWritesReceipts', ['s3:PutObject'], [`${bucketArn}/receipts/*`], {
      ArnNotEquals: { 'aws:PrincipalArn': who.receipts },
    }),
    deny('OnlyControlWritesTheRegistry', ['s3:PutObject'], [`${bucketArn}/registry/*`], {
      ArnNotEquals: { 'aws:PrincipalArn': who.registry },
    }),
    // A cluster may be called `backups`: retention's own right would reach its receipts.
    deny(
      'NobodyDeletesReceiptsOrTheRegistry',
      ['s3:DeleteObjectVersion'],
      [`${bucketArn}/receipts/*`, `${bucketArn}/registry/*`],
    ),
    deny('NobodyHidesObjects', ['s3:DeleteObject'], [`${bucketArn}/*`]),
  ];
}
