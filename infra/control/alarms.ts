import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { MachineName } from '../names.ts';
import type { Parts } from './parts.ts';

type AlarmProps = {
  name: string;
  description: string;
  namespace: string;
  metricName: string;
  dimensions: Record<string, string>;
  minutes: number;
  threshold: number;
  statistic?: string;
  /** Where no data is itself the trouble. */
  breachingWithoutData?: boolean;
};

/** Alarms on one metric each. They tell that something must be looked at; Reconcile and the machines act by themselves. */
export class Alarms extends Construct {
  constructor(scope: Construct, id: string, parts: Parts & { topic: ITopic }) {
    super(scope, id);
    const { names, settings, topic } = parts;
    const alarm = (alarmId: string, props: AlarmProps) => {
      const made = new Alarm(this, alarmId, {
        alarmName: `${names.installation}-${props.name}`,
        alarmDescription: `${props.description}\nRunbook: docs/runbook.md#${props.name}`,
        metric: new Metric({
          namespace: props.namespace,
          metricName: props.metricName,
          dimensionsMap: props.dimensions,
          statistic: props.statistic ?? 'Sum',
          period: Duration.minutes(props.minutes),
        }),
        threshold: props.threshold,
        evaluationPeriods: 1,
        comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treatMissingData: props.breachingWithoutData
          ? TreatMissingData.BREACHING
          : TreatMissingData.NOT_BREACHING,
      });
      made.addAlarmAction(new SnsAction(topic));
      made.addOkAction(new SnsAction(topic));
    };
    alarm('DeadLetters', {
      name: 'dead-letters',
      description: 'A schedule, an event or a notification could not be delivered.',
      namespace: 'AWS/SQS',
      metricName: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: names.deadLetters },
      statistic: 'Maximum',
      minutes: 5,
      threshold: 1,
    });
    const machines: [string, MachineName][] = [
      ['FleetBackup', 'fleet-backup'],
      ['Backup', 'backup'],
      ['Restore', 'restore'],
    ];
    for (const [machineId, machine] of machines) {
      for (const [how, metricName] of [
        ['failed', 'ExecutionsFailed'],
        ['timed-out', 'ExecutionsTimedOut'],
      ] as const) {
        alarm(`${machineId} ${how}`, {
          name: `${machine}-${how}`,
          description: `An execution of ${names.machine(machine)} ${how === 'failed' ? 'failed' : 'timed out'}; its Fail state names the error.`,
          namespace: 'AWS/States',
          metricName,
          dimensions: { StateMachineArn: names.machineArn(machine) },
          minutes: 5,
          threshold: how === 'failed' ? settings.thresholds.failedExecutions : 1,
        });
      }
    }
    alarm('ReconcileFailed', {
      name: 'reconcile-failed',
      description: 'Reconcile fails again and again: lost jobs and forgotten locks stay as they are.',
      namespace: 'AWS/Lambda',
      metricName: 'Errors',
      dimensions: { FunctionName: names.function('reconcile') },
      minutes: 10,
      threshold: settings.thresholds.failedReconciles,
      // It runs every two minutes: ten without a run mean that its schedule or its function is gone.
      breachingWithoutData: true,
    });
  }
}
