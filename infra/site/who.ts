import { AccountPrincipal, type Conditions, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Names } from '../names.ts';
import type { Settings } from '../settings.ts';

/** Functions that read manifests, indexes, volumes or receipts at a site. */
const backupReaders = [
  'verify',
  'record',
  'record-restore',
  'find-manifest',
  'plan-restore',
  'reconcile',
  'rebuild',
];
/** Functions that write receipts, and those that write the registry. */
const receiptWriters = ['record', 'record-restore', 'reconcile'];
const registryWriters = ['register'];

/** Role ARNs of everyone who touches a site, from settings alone. */
export function whoOf(settings: Settings, names: Names) {
  const functions = (list: string[]) => list.map(names.functionRoleArn);
  return {
    hosts: [...new Set(settings.hosts.map(names.hostRoleArn))],
    readers: functions(backupReaders),
    receipts: functions(receiptWriters),
    registry: functions(registryWriters),
    writers: functions([...receiptWriters, ...registryWriters]),
    /** Lists versions without reading them: what an attempt without a manifest has stored. */
    strayFinders: functions(['reconcile', 'retention']),
    /** Deletes by version, once locks have ended. */
    retention: names.functionRoleArn('retention'),
    retentionSetters: functions(['verify', 'copy', 'retention']),
  };
}

/** `111111111111` of a role's ARN. */
const accountOf = (arn: string) => arn.split(':')[4]!;

/**
 * Allows actions to roles that may not exist yet: the principal is their account, which always does, and a
 * condition names the roles. A policy that named the roles themselves would be refused until they are deployed.
 */
export const allowRoles = (
  sid: string,
  roles: string[],
  actions: string[],
  resources: string[],
  conditions: Conditions = {},
) =>
  new PolicyStatement({
    sid,
    effect: Effect.ALLOW,
    principals: [...new Set(roles.map(accountOf))].map((account) => new AccountPrincipal(account)),
    actions,
    resources,
    conditions: { ...conditions, ArnEquals: { 'aws:PrincipalArn': roles } },
  });
