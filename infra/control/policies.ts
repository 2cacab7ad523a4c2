import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import { Construct } from 'constructs';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';

/** Each policy as one parameter, defaults filled in; functions read it, and a job carries its own copy. */
export class Policies extends Construct {
  constructor(scope: Construct, id: string, props: { settings: Settings; names: Names }) {
    super(scope, id);
    for (const policy of props.settings.policies) {
      new StringParameter(this, policy.name, {
        parameterName: `${props.names.policyPrefix}${policy.name}`,
        stringValue: JSON.stringify(policy),
        description: `Backup policy ${policy.name}: ${policy.schedule.cron} ${policy.schedule.zone}`,
      });
    }
  }
}
