import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { Names } from '../names.ts';

/** Lists that one state writes and the next one reads. Nothing in it lives longer than a week. */
export class ScratchBucket extends Construct {
  constructor(scope: Construct, id: string, props: { names: Names }) {
    super(scope, id);
    const bucket = new Bucket(this, 'Bucket', {
      bucketName: props.names.scratchBucket,
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
      lifecycleRules: [
        {
          id: 'Forget',
          expiration: Duration.days(7),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
    });
    acknowledge(
      bucket,
      'S1',
      'holds lists of cluster names for a week; nothing that an access log would protect',
    );
  }
}
