import { AccountPrincipal, PolicyStatement, Role } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { type Names, partitionOf } from '../names.ts';
import { rolePolicy } from '../role-policy.ts';
import type { Place, Settings } from '../settings.ts';

/** Tag of a node that control may send jobs to; its value is the installation. */
export const hostTag = 'holdfast';

/** What control may do in an account with databases: send our one document to tagged nodes, and look up the hosts' role. */
export class DispatchRole extends Construct {
  constructor(scope: Construct, id: string, props: { settings: Settings; names: Names; place: Place }) {
    super(scope, id);
    const { settings, names, place } = props;
    const partition = partitionOf(place.region);
    const places = settings.hosts.filter((h) => h.account === place.account);
    const role = new Role(this, 'Role', {
      roleName: names.dispatchRole,
      description: `Control of ${names.installation} sends jobs to hosts`,
      assumedBy: new AccountPrincipal(settings.control.account).withConditions({
        ArnEquals: {
          'aws:PrincipalArn': [names.functionRoleArn('dispatch'), names.functionRoleArn('register')],
        },
      }),
    });
    rolePolicy(this, {
      role,
      why: 'nodes come and go; they are told by their tag',
      statements: [
        new PolicyStatement({ actions: ['ssm:SendCommand'], resources: places.map(names.documentArn) }),
        new PolicyStatement({
          actions: ['ssm:SendCommand'],
          resources: places.flatMap(({ account, region }) => [
            `arn:${partition}:ec2:${region}:${account}:instance/*`,
            `arn:${partition}:ssm:${region}:${account}:managed-instance/*`,
          ]),
          conditions: { StringEquals: { [`ssm:resourceTag/${hostTag}`]: names.installation } },
        }),
        new PolicyStatement({ actions: ['iam:GetRole'], resources: [names.hostRoleArn(place)] }),
      ],
    });
  }
}
