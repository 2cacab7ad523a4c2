import { CfnOutput, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { namesOf } from '../names.ts';
import type { Settings } from '../settings.ts';
import { RestoreRole } from './restore-role.ts';
import { SiteBucket } from './site-bucket.ts';
import { SiteKey } from './site-key.ts';
import { ToolsBucket } from './tools-bucket.ts';

/** A place with its own bucket and key. One per site; deployed first, since nothing in it needs the others. */
export class SiteStack extends Stack {
  constructor(scope: Construct, props: { settings: Settings; site: string }) {
    const { settings, site } = props;
    const names = namesOf(settings);
    const { account, region } = settings.sites[site]!;
    super(scope, names.siteStack(site), {
      env: { account, region },
      description: `holdfast: site ${site} of ${names.installation}`,
      terminationProtection: true,
    });
    const { key } = new SiteKey(this, 'SiteKey', { settings, names, site });
    const parts = { settings, names, site, key };
    new SiteBucket(this, 'Backups', parts);
    new ToolsBucket(this, 'Tools', parts);
    new RestoreRole(this, 'Restore', parts);
    new CfnOutput(this, 'BucketName', { value: names.bucket(site) });
    new CfnOutput(this, 'ToolsBucketName', { value: names.toolsBucket(site) });
    new CfnOutput(this, 'KeyArn', { value: key.keyArn });
    new CfnOutput(this, 'RestoreRoleArn', { value: names.restoreRoleArn(site) });
  }
}
