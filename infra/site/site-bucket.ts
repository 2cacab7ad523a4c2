import { Duration } from 'aws-cdk-lib';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { ObjectLockRetention } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { sharedGuards, siteGuards } from './guards.ts';
import { keptBucket } from './kept-bucket.ts';
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
    const bucket = keptBucket(this, key, {
      bucketName,
      objectLockDefaultRetention: ObjectLockRetention.governance(Duration.days(objectLockDays)),
    });
    const backups = [`${bucketArn}/*/backups/*`, `${bucketArn}/*/logs/*`];
    const facts = [`${bucketArn}/receipts/*`, `${bucketArn}/registry/*`];
    for (const statement of [
      allowRoles('HostsPut', who.hosts, ['s3:PutObject'], backups),
      allowRoles('ReadersRead', who.readers, ['s3:GetObject', 's3:GetObjectVersion'], [...backups, ...facts]),
      allowRoles('ReadersList', who.readers, ['s3:ListBucket'], [bucketArn]),
      allowRoles('StraysAreFound', who.strayFinders, ['s3:ListBucketVersions'], [bucketArn]),
      allowRoles(
        'RetentionDeletes',
        [who.retention],
        ['s3:DeleteObjectVersion', 's3:GetObjectRetention'],
        [`${bucketArn}/*/backups/*`],
      ),
      allowRoles('ControlWritesReceipts', who.receipts, ['s3:PutObject'], [`${bucketArn}/receipts/*`]),
      allowRoles('ControlWritesTheRegistry', who.registry, ['s3:PutObject'], [`${bucketArn}/registry/*`]),
      ...siteGuards({ bucketArn, settings, names }),
      ...sharedGuards({ bucketArn, keyArn: key.keyArn, settings, names, site }),
    ]) {
      bucket.addToResourcePolicy(statement);
    }
  }
}
