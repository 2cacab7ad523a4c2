import { Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { alarmsOf } from './alarm-list.ts';
import type { Parts } from './parts.ts';

/** Alarms on one metric each. They tell that something must be looked at; Reconcile and the machines act by themselves. */
export class Alarms extends Construct {
  constructor(scope: Construct, id: string, parts: Parts & { topic: ITopic }) {
    super(scope, id);
    const { names, settings, topic } = parts;
    for (const facts of alarmsOf(names, settings)) {
      const made = new Alarm(this, facts.name, {
        alarmName: names.alarm(facts.name),
        alarmDescription: `${facts.description}\nRunbook: docs/runbook.md#${facts.name}`,
        metric: new Metric({
          namespace: facts.namespace,
          metricName: facts.metricName,
          dimensionsMap: { ...facts.dimensions },
          statistic: facts.statistic,
          period: Duration.minutes(facts.minutes),
        }),
        threshold: facts.threshold,
        evaluationPeriods: facts.periods,
        comparisonOperator:
          facts.comparison === 'reaches'
            ? ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            : ComparisonOperator.LESS_THAN_THRESHOLD,
        treatMissingData: facts.breachingWithoutData
          ? TreatMissingData.BREACHING
          : TreatMissingData.NOT_BREACHING,
      });
      made.addAlarmAction(new SnsAction(topic));
      made.addOkAction(new SnsAction(topic));
    }
  }
}
