import { RemovalPolicy } from 'aws-cdk-lib';
import { AccountPrincipal, AnyPrincipal, Effect, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import { keyAdministration } from '../key-administration.ts';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';
import { allowRoles, whoOf } from './who.ts';

/**
 * The key of a site. Hosts and writers get data keys and cannot decrypt, readers and the restore role decrypt,
 * all through S3 only. IAM of the site's own account may let an operator decrypt, so that a restore by hand
 * does not depend on the control plane; hosts are denied whatever IAM says.
 */
export class SiteKey extends Construct {
  readonly key: Key;

  constructor(scope: Construct, id: string, props: { settings: Settings; names: Names; site: string }) {
    super(scope, id);
    const { settings, names, site } = props;
    const { account, region } = settings.sites[site]!;
    const who = whoOf(settings, names);
    const throughS3 = { StringEquals: { 'kms:ViaService': `s3.${region}.amazonaws.com` } };
    this.key = new Key(this, 'Key', {
      alias: names.keyAlias(site),
      description: `Backups of ${names.installation} at site ${site}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
      policy: new PolicyDocument({
        statements: [
          keyAdministration(account),
          allowRoles(
            'HostsAndWritersSeal',
            [...who.hosts, ...who.writers],
            ['kms:GenerateDataKey'],
            ['*'],
            throughS3,
          ),
          allowRoles(
            'ReadersAndRestoreOpen',
            [...who.readers, names.restoreRoleArn(site)],
            ['kms:Decrypt'],
            ['*'],
            throughS3,
          ),
          new PolicyStatement({
            sid: 'OperatorsOfThisAccountOpen',
            principals: [new AccountPrincipal(account)],
            actions: ['kms:Decrypt'],
            resources: ['*'],
            conditions: throughS3,
          }),
          new PolicyStatement({
            sid: 'HostsOnlySeal',
            effect: Effect.DENY,
            principals: [new AnyPrincipal()],
            notActions: ['kms:GenerateDataKey'],
            resources: ['*'],
            conditions: { ArnEquals: { 'aws:PrincipalArn': who.hosts } },
          }),
        ],
      }),
    });
  }
}
