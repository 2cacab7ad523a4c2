import { Duration } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import {
  DistributedMap,
  Fail,
  type IChainable,
  JitterType,
  Pass,
  S3JsonLItemReader,
  StateMachine,
  Succeed,
  TaskInput,
  Timeout,
} from 'aws-cdk-lib/aws-stepfunctions';
import { StepFunctionsStartExecution } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { answered, caught, stepsOf } from './steps.ts';

/** Functions the Fleet backup machine calls. */
export const fleetBackupMachineInvokes = ['due'];

/**
 * One run of a policy's schedule: find the clusters that are due, then start one Backup each without waiting.
 * An execution that exists already is the success of an earlier call. Items answer one word, so that ten
 * thousand of them stay within the 256 KiB of a state's output without a result writer.
 */
export function fleetBackupDefinition(scope: Construct, names: Names): IChainable {
  const { ask, decide } = stepsOf(scope, names);
  // Nobody else opens the slots of a fleet: 30 and 90 s, then three times 5 minutes at most, before its alarm.
  const find = ask(
    'Find the clusters that are due',
    'due',
    { input: '{% $states.input %}' },
    { again: { seconds: 30, times: 5 } },
  );
  const each = DistributedMap.jsonata(scope, 'Start the backups', {
    itemReader: new S3JsonLItemReader({
      bucket: Bucket.fromBucketName(scope, 'Scratch', names.scratchBucket),
      key: '{% $states.input.key %}',
    }),
    maxConcurrency: 50,
    toleratedFailurePercentage: 100,
    label: 'Clusters',
  });
  const start = StepFunctionsStartExecution.jsonata(scope, 'Start the backup of this cluster', {
    stateMachine: StateMachine.fromStateMachineArn(scope, 'Backup', names.machineArn('backup')),
    name: '{% $states.input.name %}',
    input: TaskInput.fromText('{% $states.input.input %}'),
    taskTimeout: Timeout.duration(Duration.seconds(60)),
    outputs: "{% 'started' %}",
  });
  start.addRetry({
    errors: ['StepFunctions.ThrottlingException', 'StepFunctions.SdkClientException'],
    interval: Duration.seconds(2),
    maxAttempts: 5,
    backoffRate: 2,
    jitterStrategy: JitterType.FULL,
  });
  start.addCatch(Pass.jsonata(scope, 'It was started before', {}), {
    errors: ['StepFunctions.ExecutionAlreadyExistsException'],
    outputs: "{% 'known' %}",
  });
  each.itemProcessor(start);
  const nothing = Succeed.jsonata(scope, 'Nothing is due', {});
  const started = Succeed.jsonata(scope, 'The backups are started', {});
  const refuse = Fail.jsonata(scope, 'Refuse the request', {
    error: '{% $states.input.error.name %}',
    cause: '{% $states.input.error.cause %}',
  });
  const fail = Fail.jsonata(scope, 'The fleet backup failed', {
    error: '{% $failure.name %}',
    cause: '{% $failure.cause %}',
  });
  find.next(
    decide(
      'Are clusters due?',
      [
        { when: answered('due'), next: each },
        { when: answered('nothing-due'), next: nothing },
      ],
      refuse,
    ),
  );
  each.next(started);
  for (const step of [find, each]) step.addCatch(fail, { assign: { failure: caught.failure } });
  return find;
}
