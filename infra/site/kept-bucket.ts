import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, type BucketProps } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';

/** What both buckets of a site are: versioned, lockable, under the site's key, private, and kept when the stack goes. */
export function keptBucket(scope: Construct, key: IKey, own: BucketProps): Bucket {
  const bucket = new Bucket(scope, 'Bucket', {
    versioned: true,
    objectLockEnabled: true,
    encryption: BucketEncryption.KMS,
    encryptionKey: key,
    // Without it every volume would cost a call to KMS.
    bucketKeyEnabled: true,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    enforceSSL: true,
    minimumTLSVersion: 1.2,
    removalPolicy: RemovalPolicy.RETAIN,
    // No upload of ours is multipart, and a tool's lasts no longer than its backup (47 hours): S3 counts from its
    // beginning, and what was left behind should not be paid for.
    lifecycleRules: [{ id: 'AbortUploads', abortIncompleteMultipartUploadAfter: Duration.days(7) }],
    ...own,
  });
  acknowledge(
    bucket,
    'S1',
    'CloudTrail data events tell who read or wrote; a log bucket would need its own guard',
  );
  return bucket;
}
