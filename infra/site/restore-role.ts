import { Duration } from 'aws-cdk-lib';
import { AccountPrincipal, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { rolePolicy } from '../role-policy.ts';
import type { Settings } from '../settings.ts';

/**
 * Reads backups and logs of this site. Only the broker assumes it, always narrowed by a session policy to one
 * cluster's prefixes; an hour is also the longest that a chained role lasts.
 */
export class RestoreRole extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: { settings: Settings; names: Names; site: string; key: IKey },
  ) {
    super(scope, id);
    const { settings, names, site, key } = props;
    const bucketArn = names.bucketArn(site);
    const role = new Role(this, 'Role', {
      roleName: names.restoreRole(site),
      description: `Reads backups of ${names.installation} at site ${site} for restores`,
      assumedBy: new AccountPrincipal(settings.control.account).withConditions({
        ArnEquals: { 'aws:PrincipalArn': names.functionRoleArn('broker') },
      }),
      maxSessionDuration: Duration.hours(1),
    });
    rolePolicy(this, {
      role,
      why: 'the broker narrows each session to one cluster; the role itself covers all of them',
      statements: [
        new PolicyStatement({
          actions: ['s3:GetObject', 's3:GetObjectVersion'],
          resources: [`${bucketArn}/*/backups/*`, `${bucketArn}/*/logs/*`],
        }),
        new PolicyStatement({
          actions: ['kms:Decrypt'],
          resources: [key.keyArn],
          conditions: {
            StringEquals: { 'kms:ViaService': `s3.${settings.sites[site]!.region}.amazonaws.com` },
          },
        }),
      ],
    });
  }
}
