import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectLockRetention } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { sharedGuards, siteGuards } from './guards.ts';
import { allowRoles, whoOf } from './who.ts';

/** The bucket of a site: versioned, locked from the first second, write-once for hosts, deleted from by retention alone. */
export class SiteBucket extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: { settings: Settings; names: Names; site: string; key: IKey },
  ) {
    super(scope, id);
    const { settings, names, site, key } = props;
    const { objectLockDays, bucket: bucketName } = settings.sites[site]!;
    const bucketArn = names.bucketArn(site);
    const who = whoOf(settings, names);
    const bucket = new Bucket(this, 'Bucket', {
      bucketName,
      versioned: true,
      objectLockEnabled: true,
      objectLockDefaultRetention: ObjectLockRetention.governance(Duration.days(objectLockDays)),
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      // Without it every volume would cost a call to KMS.
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      // Nothing of ours is a multipart upload; what a stranger left behind should not be paid for.
      lifecycleRules: [{ id: 'AbortUploads', abortIncompleteMultipartUploadAfter: Duration.days(7) }],
    });
    acknowledge(
      bucket,
      'S1',
      'CloudTrail data events tell who read or wrote; a log bucket would need its own guard',
    );
    const backups = [`${bucketArn}/*/backups/*`, `${bucketArn}/*/logs/*`];
    const facts = [`${bucketArn}/receipts/*`, `${bucketArn}/registry/*`];
    for (const statement of [
      allowRoles('HostsPut', who.hosts, ['s3:PutObject'], backups),
      allowRoles('ReadersRead', who.readers, ['s3:GetObject', 's3:GetObjectVersion'], [...backups, ...facts]),
      allowRoles('ReadersList', who.readers, ['s3:ListBucket'], [bucketArn]),
      allowRoles('ControlWritesReceipts', who.receipts, ['s3:PutObject'], [`${bucketArn}/receipts/*`]),
      allowRoles('ControlWritesTheRegistry', who.registry, ['s3:PutObject'], [`${bucketArn}/registry/*`]),
      ...siteGuards({ bucketArn, settings, names }),
      ...sharedGuards({ bucketArn, keyArn: key.keyArn, settings, names, site }),
    ]) {
      bucket.addToResourcePolicy(statement);
    }
  }
}
