import { Duration } from 'aws-cdk-lib';
import { Fail, type IChainable, Pass, Succeed, Wait, WaitTime } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { begin, completed } from './restore-variables.ts';
import { answered, caught, optional, stepsOf, thisExecution } from './steps.ts';

/** Functions the Restore machine calls. */
export const restoreMachineInvokes = [
  'plan-restore',
  'hold-restore',
  'dispatch',
  'fit-restore',
  'record-restore',
  'release',
  'publish',
  'cancel',
];

/**
 * A new instance beside the old, on a host and in a directory that are looked at before anything is touched.
 * The target is locked and the backup pinned from before the inspection until the end.
 */
export function restoreDefinition(scope: Construct, names: Names): IChainable {
  const { ask, runOnHost, decide } = stepsOf(scope, names);
  const lock = '{% $lock %}';
  const clusterId = '{% $clusterId %}';
  const backup = { clusterId, backupId: '{% $backupId %}' };

  const plan = ask(
    'Plan the restore',
    'plan-restore',
    { execution: thisExecution, input: '{% $states.input %}' },
    { seconds: 180 },
  );
  const hold = ask('Lock the target and pin the backup', 'hold-restore', {
    execution: thisExecution,
    lock,
    ...backup,
    log: '{% $exists($planned.log) ? $planned.log : null %}',
  });
  const inspect = runOnHost('Inspect the target host', '$planned.check', { seconds: 420, lock, clusterId });
  const fit = ask('Decide whether the target fits', 'fit-restore', {
    planned: '{% $planned %}',
    check: '{% $states.input %}',
  });
  const run = runOnHost('Run restore on host', '$fits', {
    seconds: 172_800,
    lock,
    clusterId,
  });
  const record = ask(
    'Record the restore',
    'record-restore',
    {
      execution: thisExecution,
      ...backup,
      result: '{% $states.input %}',
      planned: {
        point: optional('$planned.point', 'null'),
        predictedSeconds: optional('$planned.predictedSeconds', 'null'),
      },
    },
    { assign: { restored: '{% $states.result.Payload %}', events: completed, ending: 'succeeded' } },
  );
  const cancel = ask('Cancel the live job', 'cancel', { execution: thisExecution, since: '{% $since %}' });
  const waitForEnd = Wait.jsonata(scope, 'Wait for the job to end', {
    time: WaitTime.duration(Duration.seconds(15)),
  });
  const noteRefusal = Pass.jsonata(scope, 'Note the refusal', {
    assign: { failure: '{% $states.input.error %}' },
  });
  const release = ask('Release the target and the pin', 'release', {
    execution: thisExecution,
    lock,
    pin: backup,
  });
  const publish = ask('Publish the result', 'publish', { events: '{% $events %}' });
  const refuse = Fail.jsonata(scope, 'Refuse the request', {
    error: '{% $states.input.error.name %}',
    cause: '{% $states.input.error.cause %}',
  });
  const done = Succeed.jsonata(scope, 'The backup is restored');
  const fail = Fail.jsonata(scope, 'The restore failed', {
    error: '{% $failure.name %}',
    cause: '{% $failure.cause %}',
  });

  const succeeding = decide(
    'Is the restore done?',
    [{ when: "$ending = 'succeeded'", next: done, outputs: '{% $restored %}' }],
    fail,
  );
  const publishing = decide(
    'Is there a result to publish?',
    [{ when: "$ending = 'succeeded'", next: publish }],
    fail,
  );
  const releasing = decide(
    'May the target be released?',
    [{ when: '$mayRelease', next: release }],
    publishing,
  );

  plan.next(
    decide('Can it be restored?', [{ when: answered('planned'), next: hold, assign: begin }], refuse),
  );
  hold.next(decide('Is the target ours?', [{ when: answered('held'), next: inspect }], refuse));
  inspect.next(fit);
  fit.next(
    decide(
      'Does the target fit?',
      [{ when: answered('fits'), next: run, assign: { fits: '{% $states.input %}' } }],
      noteRefusal,
    ),
  );
  run.next(record);
  record.next(releasing);
  noteRefusal.next(releasing);
  waitForEnd.next(cancel);
  cancel.next(
    decide(
      'Has the job ended?',
      [
        { when: answered('waiting'), next: waitForEnd },
        { when: answered('given-up'), next: releasing, assign: { mayRelease: false } },
      ],
      releasing,
    ),
  );
  release.next(publishing);
  publish.next(succeeding);

  // Nothing is held yet, so there is nothing to cancel or release.
  plan.addCatch(fail, { assign: { failure: caught.failure } });
  for (const step of [hold, inspect, fit, run, record]) step.addCatch(cancel, { assign: caught });
  cancel.addCatch(releasing, { assign: { mayRelease: false } });
  release.addCatch(publishing);
  publish.addCatch(succeeding);
  return plan;
}
