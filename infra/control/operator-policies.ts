import { ManagedPolicy, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acknowledge } from '../acknowledge.ts';
import type { MachineName, Names } from '../names.ts';
import { watchedMachines as machines } from './alarm-list.ts';
import type { Parts } from './parts.ts';

const allow = (actions: string[], resources: string[]) => new PolicyStatement({ actions, resources });

/** To start and to stop executions of these machines. */
const run = (names: Names, of: MachineName[]) => [
  allow(['states:StartExecution'], of.map(names.machineArn)),
  allow(['states:StopExecution'], of.map(names.executionsArn)),
];

/** To see what is protected, what runs and what went wrong: no byte of a backup, and nothing is changed. */
const look = ({ names }: Parts, deadLetters: IQueue) => [
  allow(['states:DescribeStateMachine', 'states:ListExecutions'], machines.map(names.machineArn)),
  allow(
    ['states:DescribeExecution', 'states:GetExecutionHistory'],
    [...machines.map(names.executionsArn), names.itemExecutionsArn('fleet-backup')],
  ),
  // How many starts of a run of Fleet backup went well.
  allow(['states:ListMapRuns'], [names.executionsArn('fleet-backup')]),
  allow(['states:DescribeMapRun', 'states:ListExecutions'], [names.mapRunsArn('fleet-backup')]),
  allow(
    ['dynamodb:GetItem', 'dynamodb:Query'],
    [names.tableArn(names.catalogTable), names.tableArn(names.jobsTable)],
  ),
  allow(['logs:DescribeLogStreams', 'logs:FilterLogEvents', 'logs:GetLogEvents'], names.logGroupArns),
  allow(['ssm:GetParameter', 'ssm:GetParametersByPath'], [names.policyArns]),
  allow(
    [
      'cloudwatch:DescribeAlarms',
      'cloudwatch:GetMetricData',
      'cloudwatch:GetMetricStatistics',
      'cloudwatch:ListMetrics',
      // Which hosts SSM hears of: it knows no narrower resource.
      'ssm:DescribeInstanceInformation',
    ],
    ['*'],
  ),
  // To which times a cluster can be restored.
  allow(['lambda:InvokeFunction'], [names.functionArn('show-window')]),
  allow(['scheduler:GetSchedule'], [names.scheduleArn('*')]),
  allow(['cloudwatch:DescribeAlarmHistory'], [names.alarmArn('*')]),
  allow(['cloudwatch:GetDashboard'], [names.dashboardArn]),
  allow(['sqs:GetQueueAttributes', 'sqs:GetQueueUrl'], [deadLetters.queueArn]),
  // Which release of the runner each host has.
  allow(
    [
      'ssm:DescribeAssociationExecutionTargets',
      'ssm:DescribeAssociationExecutions',
      'ssm:ListAssociations',
      'ssm:ListComplianceItems',
    ],
    ['*'],
  ),
];

/** To register, back up, reconcile, rebuild, let retention go on after that, and to clear the queue of undelivered messages. */
const operate = ({ names }: Parts, deadLetters: IQueue) => [
  ...run(names, ['fleet-backup', 'backup']),
  allow(['lambda:InvokeFunction'], ['register', 'reconcile', 'rebuild', 'retention'].map(names.functionArn)),
  allow(['sqs:DeleteMessage', 'sqs:ReceiveMessage'], [deadLetters.queueArn]),
  allow(['kms:Decrypt'], [deadLetters.encryptionMasterKey!.keyArn]),
];

/**
 * What operators may be given, in three parts: `look`, `operate` and `restore`. None of them reads or writes an object
 * of a backup: that is the runner's, under rights that last an hour.
 */
export class OperatorPolicies extends Construct {
  constructor(scope: Construct, id: string, parts: Parts & { deadLetters: IQueue }) {
    super(scope, id);
    const { names, deadLetters } = parts;
    const policy = (policyId: string, name: string, description: string, statements: PolicyStatement[]) => {
      const made = new ManagedPolicy(this, policyId, {
        managedPolicyName: names.operatorPolicy(name),
        description,
        statements,
      });
      for (const pattern of new Set(statements.flatMap((s) => s.resources).filter((r) => r.includes('*')))) {
        acknowledge(
          made,
          `IAM5[Resource::${pattern}]`,
          'executions, log streams and parameters are told by prefix; reads of CloudWatch and State Manager know no resources',
        );
      }
    };
    policy('Look', 'look', 'See what is protected, what runs and what went wrong', look(parts, deadLetters));
    policy('Operate', 'operate', 'Register, back up, reconcile, rebuild', operate(parts, deadLetters));
    policy('Restore', 'restore', 'Ask for the plan of a restore, start and stop restores', [
      ...run(names, ['restore']),
      // To which times, and the plan alone: neither touches anything.
      allow(['lambda:InvokeFunction'], ['show-window', 'plan-restore'].map(names.functionArn)),
    ]);
  }
}
