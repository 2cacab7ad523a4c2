import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { sharedGuards } from './guards.ts';
import { keptBucket } from './kept-bucket.ts';

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
    const bucket = keptBucket(this, key, { bucketName: names.toolsBucket(site) });
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
