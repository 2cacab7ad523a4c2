import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { sharedGuards } from './guards.ts';

/**
 * What tools write themselves (multipart, overwriting, deleting), so there is no default lock and no demand of
 * conditional puts. Versions stay: the manifest pins them, and the copy gives them their lock.
 */
export class ToolsBucket extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: { settings: Settings; names: Names; site: string; key: IKey },
  ) {
    super(scope, id);
    const { settings, names, site, key } = props;
    const bucket = new Bucket(this, 'Bucket', {
      bucketName: names.toolsBucket(site),
      versioned: true,
      objectLockEnabled: true,
      encryption: BucketEncryption.KMS,
      encryptionKey: key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      // Longer than any backup runs (47 hours): S3 counts from the upload's beginning.
      lifecycleRules: [{ id: 'AbortUploads', abortIncompleteMultipartUploadAfter: Duration.days(7) }],
    });
    acknowledge(
      bucket,
      'S1',
      'CloudTrail data events tell who read or wrote; a log bucket would need its own guard',
    );
    for (const statement of sharedGuards({
      bucketArn: names.toolsBucketArn(site),
      keyArn: key.keyArn,
      settings,
      names,
      site,
    })) {
      bucket.addToResourcePolicy(statement);
    }
  }
}
