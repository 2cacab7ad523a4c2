import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnSchedule, CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { rolePolicy } from '../role-policy.ts';
import { scheduleCron } from '../schedule-cron.ts';
import type { Parts } from './parts.ts';
import { sendTo } from './rights.ts';

type ScheduleProps = {
  name: string;
  description: string;
  expression: string;
  zone: string;
  spreadMinutes: number;
  ageSeconds: number;
  retries: number;
  targetArn: string;
  input: Record<string, unknown>;
};

/**
 * One schedule per policy, which starts Fleet backup, and those of Reconcile and Retention. A policy's window is shared out:
 * the first half spreads the start, the second is for retries, since a slot older than the window is dropped.
 */
export class Schedules extends Construct {
  constructor(scope: Construct, id: string, parts: Parts & { deadLetters: IQueue }) {
    super(scope, id);
    const { settings, names, deadLetters } = parts;
    const group = new CfnScheduleGroup(this, 'Group', { name: names.scheduleGroup });
    const role = new Role(this, 'Role', {
      roleName: `${names.installation}-schedules-${settings.control.region}`,
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': settings.control.account } },
      }),
    });
    const policy = rolePolicy(this, {
      role,
      why: 'nothing here is told by a pattern',
      statements: [
        new PolicyStatement({
          actions: ['states:StartExecution'],
          resources: [names.machineArn('fleet-backup')],
        }),
        new PolicyStatement({
          actions: ['lambda:InvokeFunction'],
          resources: ['reconcile', 'retention'].map(names.functionArn),
        }),
        ...sendTo(deadLetters),
      ],
    });
    const schedule = (scheduleId: string, props: ScheduleProps) => {
      const made = new CfnSchedule(this, scheduleId, {
        name: props.name,
        groupName: names.scheduleGroup,
        description: props.description,
        scheduleExpression: props.expression,
        scheduleExpressionTimezone: props.zone,
        flexibleTimeWindow:
          props.spreadMinutes > 0
            ? { mode: 'FLEXIBLE', maximumWindowInMinutes: props.spreadMinutes }
            : { mode: 'OFF' },
        target: {
          arn: props.targetArn,
          roleArn: role.roleArn,
          input: JSON.stringify(props.input),
          deadLetterConfig: { arn: deadLetters.queueArn },
          retryPolicy: { maximumEventAgeInSeconds: props.ageSeconds, maximumRetryAttempts: props.retries },
        },
      });
      made.addResourceDependency(group);
      made.node.addDependency(policy);
    };
    for (const { name, schedule: when } of settings.policies) {
      const spreadMinutes = Math.floor(when.windowMinutes / 2);
      schedule(`Policy ${name}`, {
        name: `policy-${name}`,
        description: `Backups of policy ${name}`,
        expression: scheduleCron(when.cron),
        zone: when.zone,
        spreadMinutes,
        ageSeconds: (when.windowMinutes - spreadMinutes) * 60,
        retries: 10,
        targetArn: names.machineArn('fleet-backup'),
        input: { v: 1, policy: name },
      });
    }
    schedule('Reconcile', {
      name: 'reconcile',
      description: 'Reconcile, every two minutes',
      expression: 'rate(2 minutes)',
      zone: 'UTC',
      spreadMinutes: 0,
      // The next run comes before a retry of this one would.
      ageSeconds: 60,
      retries: 0,
      targetArn: names.functionArn('reconcile'),
      input: {},
    });
    schedule('Retention', {
      name: 'retention',
      description: 'Retention, every hour',
      expression: 'rate(1 hour)',
      zone: 'UTC',
      spreadMinutes: 0,
      ageSeconds: 1800,
      retries: 2,
      targetArn: names.functionArn('retention'),
      input: {},
    });
  }
}
