import { CfnOutput } from 'aws-cdk-lib';
import {
  CompositePrincipal,
  Effect,
  InstanceProfile,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { partitionOf } from '../names.ts';
import { rolePolicy } from '../role-policy.ts';
import type { Place, Settings } from '../settings.ts';
import { siteKeyStatements } from '../site-keys.ts';
import { agentActions } from './agent-actions.ts';
import { releaseKey } from './runner-release.ts';

// biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of IAM, not of ours
const userid = '${aws:userid}';

/** Tag of a secret: the `aws:userid` of the one host that may read it. */
const secretTag = 'holdfast-userid';

/**
 * What a host may do, complete. It writes backups and can neither list, read, overwrite, decrypt nor delete them.
 * One role serves all hosts of an account; IAM tells them apart by `aws:userid`, `<RoleId>:<node id>`, which is
 * the partition of a host's job rows and the tag of its secrets. (A name pattern cannot carry the node id alone:
 * no policy variable holds it for EC2 and hybrid nodes alike.)
 */
export class HostRole extends Construct {
  constructor(
    scope: Construct,
    id: string,
    props: { settings: Settings; names: Names; place: Place; release: string },
  ) {
    super(scope, id);
    const { settings, names, place } = props;
    const sites = Object.keys(settings.sites);
    const partition = partitionOf(place.region);
    const regions = settings.hosts.filter((h) => h.account === place.account).map((h) => h.region);
    const role = new Role(this, 'Role', {
      roleName: names.hostRole,
      description: `Hosts of ${names.installation}: write backups, answer their own jobs`,
      assumedBy: new CompositePrincipal(
        new ServicePrincipal('ec2.amazonaws.com'),
        // Hybrid nodes get the role through an activation.
        new ServicePrincipal('ssm.amazonaws.com', {
          conditions: { StringEquals: { 'aws:SourceAccount': place.account } },
        }),
      ),
    });
    const allow = (actions: string[], resources: string[], conditions: Record<string, unknown> = {}) =>
      new PolicyStatement({ actions, resources, conditions });
    rolePolicy(this, {
      role,
      why: 'hosts are told apart by job orders, random ids and write-once keys; the actions of the SSM agent know no resources',
      statements: [
        // ForAllValues is true for a request without keys, hence the second condition.
        allow(['dynamodb:GetItem', 'dynamodb:UpdateItem'], [names.tableArn(names.jobsTable)], {
          'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [userid] },
          Null: { 'dynamodb:LeadingKeys': 'false' },
        }),
        allow(
          ['s3:PutObject'],
          sites.flatMap((s) => [`${names.bucketArn(s)}/*/backups/*`, `${names.bucketArn(s)}/*/logs/*`]),
        ),
        new PolicyStatement({
          effect: Effect.DENY,
          actions: ['s3:PutObject'],
          resources: sites.flatMap((s) => [
            `${names.bucketArn(s)}/receipts/*`,
            `${names.bucketArn(s)}/registry/*`,
          ]),
        }),
        ...siteKeyStatements(settings, names, place.account, 'kms:GenerateDataKey'),
        allow(
          ['states:SendTaskFailure', 'states:SendTaskHeartbeat', 'states:SendTaskSuccess'],
          [names.machineArn('backup'), names.machineArn('restore')],
        ),
        allow(
          ['secretsmanager:GetSecretValue'],
          regions.map(
            (region) => `arn:${partition}:secretsmanager:${region}:${place.account}:secret:holdfast/*`,
          ),
          { StringEquals: { [`secretsmanager:ResourceTag/${secretTag}`]: userid } },
        ),
        allow(['lambda:InvokeFunction'], [names.functionArn('broker')]),
        allow(
          ['s3:GetObject'],
          regions.map(
            (region) => `${names.assetBucketArn({ ...place, region })}/${releaseKey(props.release, '*')}`,
          ),
        ),
        allow(agentActions, ['*']),
      ],
    });
    new InstanceProfile(this, 'Profile', { role, instanceProfileName: names.hostRole });
    new CfnOutput(scope, 'HostRoleId', {
      value: role.roleId,
      description: `Tag each secret of a host with ${secretTag}=<this>:<hostId>`,
    });
  }
}
