import type { Place, Settings } from './settings.ts';

/** `aws`, or the partition of China or GovCloud. */
export const partitionOf = (region: string) =>
  region.startsWith('cn-') ? 'aws-cn' : region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';

export type MachineName = 'fleet-backup' | 'backup' | 'restore';

/**
 * Every name and ARN that one stack uses of another, from settings alone: stacks export nothing to each other.
 * Roles are global in an account; those of functions carry the region, so that a second Control fits beside the first.
 */
export function namesOf(settings: Settings) {
  const i = settings.installation;
  const { control } = settings;
  const arn = (service: string, at: Place, rest: string) =>
    `arn:${partitionOf(at.region)}:${service}:${at.region}:${at.account}:${rest}`;
  const roleArn = (at: Place, role: string) =>
    `arn:${partitionOf(at.region)}:iam::${at.account}:role/${role}`;
  const site = (name: string) => {
    const found = settings.sites[name];
    if (!found) throw new Error(`${name} is no site of these settings`);
    return found;
  };
  const hostRole = `${i}-host`;
  const dispatchRole = `${i}-dispatch`;
  const document = `${i}-run-job`;
  const assetBucket = (at: Place) => `cdk-${settings.bootstrapQualifier}-assets-${at.account}-${at.region}`;
  return {
    installation: i,
    catalogTable: `${i}-catalog`,
    jobsTable: `${i}-jobs`,
    tableArn: (table: string) => arn('dynamodb', control, `table/${table}`),
    scratchBucket: `${i}-scratch-${control.account}-${control.region}`,
    bucket: (name: string) => site(name).bucket,
    toolsBucket: (name: string) => `${site(name).bucket}-tools`,
    bucketArn: (name: string) => `arn:${partitionOf(site(name).region)}:s3:::${site(name).bucket}`,
    toolsBucketArn: (name: string) => `arn:${partitionOf(site(name).region)}:s3:::${site(name).bucket}-tools`,
    /** Stands for the site's key in every condition: its ARN is random and not shared between stacks. */
    keyAlias: (name: string) => `alias/${i}-${name}`,
    keysArn: (name: string) => arn('kms', site(name), 'key/*'),
    function: (name: string) => `${i}-${name}`,
    functionArn: (name: string) => arn('lambda', control, `function:${i}-${name}`),
    logStreamsArn: (name: string) => arn('logs', control, `log-group:/aws/lambda/${i}-${name}:log-stream:*`),
    /** Log groups of all functions and machines, and what is in them. */
    logGroupArns: ['/aws/lambda', '/aws/vendedlogs/states'].map((path) =>
      arn('logs', control, `log-group:${path}/${i}-*`),
    ),
    /** Attached to people by their own administrators; global in an account like roles. */
    operatorPolicy: (name: string) => `${i}-${name}-${control.region}`,
    functionRole: (name: string) => `${i}-${name}-${control.region}`,
    functionRoleArn: (name: string) => roleArn(control, `${i}-${name}-${control.region}`),
    machine: (name: MachineName) => `${i}-${name}`,
    machineArn: (name: MachineName) => arn('states', control, `stateMachine:${i}-${name}`),
    /** Items of a distributed map are executions of `<machine>/<label>`. */
    itemExecutionsArn: (name: MachineName) => arn('states', control, `execution:${i}-${name}/*`),
    mapRunsArn: (name: MachineName) => arn('states', control, `mapRun:${i}-${name}/*`),
    executionsArn: (name: MachineName) => arn('states', control, `execution:${i}-${name}:*`),
    bus: i,
    busArn: arn('events', control, `event-bus/${i}`),
    topic: `${i}-alarms`,
    topicArn: arn('sns', control, `${i}-alarms`),
    deadLetters: `${i}-dead-letters`,
    scheduleGroup: i,
    scheduleArn: (name: string) => arn('scheduler', control, `schedule/${i}/${name}`),
    metricNamespace: i,
    dashboard: i,
    /** Dashboards belong to no region. */
    dashboardArn: `arn:${partitionOf(control.region)}:cloudwatch::${control.account}:dashboard/${i}`,
    alarm: (name: string) => `${i}-${name}`,
    alarmArn: (name: string) => arn('cloudwatch', control, `alarm:${i}-${name}`),
    policyPrefix: `/${i}/policies/`,
    policyArns: arn('ssm', control, `parameter/${i}/policies/*`),
    document,
    documentArn: (at: Place) => arn('ssm', at, `document/${document}`),
    installDocument: `${i}-install-runner`,
    hostRole,
    hostRoleArn: (at: Place) => roleArn(at, hostRole),
    dispatchRole,
    dispatchRoleArn: (at: Place) => roleArn(at, dispatchRole),
    restoreRole: (name: string) => `${i}-restore-${name}`,
    restoreRoleArn: (name: string) => roleArn(site(name), `${i}-restore-${name}`),
    /** The roles of the deployment itself, which CDK's bootstrap made. */
    deploymentRoleArn: (at: Place) =>
      roleArn(at, `cdk-${settings.bootstrapQualifier}-cfn-exec-role-${at.account}-${at.region}`),
    assetBucket,
    assetBucketArn: (at: Place) => `arn:${partitionOf(at.region)}:s3:::${assetBucket(at)}`,
    siteStack: (name: string) => `${i}-site-${name}`,
    controlStack: `${i}-control`,
    hostsStack: (at: Place) => `${i}-hosts-${at.account}-${at.region}`,
  };
}

export type Names = ReturnType<typeof namesOf>;
