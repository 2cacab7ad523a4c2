import { Policy, type PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

/** The one policy of a role. `why` is the reason for each resource in it that is told by a pattern. */
export function rolePolicy(
  scope: Construct,
  props: { role: Role; statements: PolicyStatement[]; why: string },
): Policy {
  const { role, statements, why } = props;
  const policy = new Policy(scope, 'Policy', { roles: [role], statements });
  for (const pattern of new Set(statements.flatMap((s) => s.resources).filter((r) => r.includes('*')))) {
    acknowledge(policy, `IAM5[Resource::${pattern}]`, why);
  }
  return policy;
}
