import { Duration } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Parts } from './parts.ts';

/** Whoever stops an execution stops its job: the runner sees the cancellation at its next beat. */
export class ClosedExecutions extends Construct {
  constructor(scope: Construct, id: string, parts: Parts & { cancelClosed: IFunction; deadLetters: IQueue }) {
    super(scope, id);
    const { names, cancelClosed, deadLetters } = parts;
    new Rule(this, 'Rule', {
      ruleName: `${names.installation}-closed-executions`,
      description: 'Cancels the live jobs of executions that ended without success',
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          stateMachineArn: [names.machineArn('backup'), names.machineArn('restore')],
          status: ['FAILED', 'TIMED_OUT', 'ABORTED'],
        },
      },
      targets: [
        new LambdaFunction(cancelClosed, {
          deadLetterQueue: deadLetters,
          maxEventAge: Duration.hours(1),
          retryAttempts: 5,
        }),
      ],
    });
  }
}
