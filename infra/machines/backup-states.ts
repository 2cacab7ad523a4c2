import { Duration } from 'aws-cdk-lib';
import {
  Fail,
  Map as MapState,
  Pass,
  ProvideItems,
  Succeed,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import { failed, succeeded } from './backup-variables.ts';
import { type Steps, thisExecution } from './steps.ts';

/** The states of the Backup machine, not yet joined. */
export function backupStates(scope: Construct, steps: Steps) {
  const { ask, runOnHost } = steps;
  const cluster = { execution: thisExecution, clusterId: '{% $clusterId %}', backupId: '{% $backupId %}' };
  const attempt = { ...cluster, slot: '{% $slot %}', attempt: '{% $attempt %}' };
  const lock = '{% $lock %}';
  const clusterId = '{% $clusterId %}';

  const admit = ask('Validate the request and lock the cluster', 'admit', {
    execution: thisExecution,
    input: '{% $states.input %}',
  });
  const inspect = MapState.jsonata(scope, 'Inspect the members', {
    items: ProvideItems.jsonata('{% $admitted.checks %}'),
    maxConcurrency: 10,
    assign: { inspections: '{% $states.result %}' },
  });
  // A check takes seconds and its job ends at 120; 420 leaves room for the five minutes until an unclaimed job is lost.
  const inspectMember = runOnHost('Inspect this member on its host', '$states.input', {
    seconds: 420,
    lock,
    clusterId,
    // Members share the 256 KiB of a state: an answer of more than a check ever has costs its own member, not the others.
    outputs: {
      memberId: '{% $states.input.memberId %}',
      result: "{% $length($string($states.result)) > 10000 ? 'too large' : $states.result %}",
    },
  });
  const plan = ask('Plan the backup', 'plan', {
    execution: thisExecution,
    admitted: '{% $admitted %}',
    inspections: '{% $inspections %}',
  });
  const lease = ask('Take the leases', 'lease', {
    execution: thisExecution,
    leases: '{% $leases %}',
    waitUntil: '{% $planned.waitUntil %}',
  });
  const waitForLease = Wait.jsonata(scope, 'Wait for a lease', {
    time: WaitTime.seconds('{% $states.input.seconds %}'),
  });
  // 48 hours is the ceiling of what SSM lets a command run; the job's own deadline comes from the plan.
  const run = runOnHost('Run backup on host', '$planned', { seconds: 172_800, lock, clusterId });
  const verify = ask('Verify stored objects', 'verify', cluster, { seconds: 900 });
  const record = ask(
    'Record the backup',
    'record',
    {
      ...attempt,
      verdict: '{% $verdict %}',
      reasons: '{% $reasons %}',
      manifestSha256: '{% $manifestSha256 %}',
      confirms: '{% $confirms %}',
    },
    { assign: { recorded: '{% $states.result.Payload %}', events: succeeded, ending: 'succeeded' } },
  );

  const cancel = ask('Cancel the live job', 'cancel', { execution: thisExecution, since: '{% $since %}' });
  const waitForEnd = Wait.jsonata(scope, 'Wait for the job to end', {
    time: WaitTime.duration(Duration.seconds(15)),
  });
  const seek = ask(
    'Look for the manifest',
    'find-manifest',
    { clusterId, backupId: '{% $backupId %}' },
    { assign: { manifestSought: true } },
  );
  const recordFailure = ask(
    'Record the failure',
    'record-failure',
    { ...attempt, error: '{% $failure %}' },
    { assign: { events: failed, ending: 'failed' } },
  );
  const noteRefusal = Pass.jsonata(scope, 'Note the refusal', {
    assign: { failure: '{% $states.input.error %}' },
  });
  const release = ask('Release the cluster', 'release', {
    execution: thisExecution,
    lock,
    leases: '{% $leases %}',
  });
  const publish = ask('Publish the result', 'publish', { events: '{% $events %}' });
  const refuse = Fail.jsonata(scope, 'Refuse the request', {
    error: '{% $states.input.error.name %}',
    cause: '{% $states.input.error.cause %}',
  });
  const done = Succeed.jsonata(scope, 'The backup is recorded');
  const fail = Fail.jsonata(scope, 'The backup failed', {
    error: '{% $failure.name %}',
    cause: '{% $failure.cause %}',
  });
  return {
    admit,
    inspect,
    inspectMember,
    plan,
    lease,
    waitForLease,
    run,
    verify,
    record,
    cancel,
    waitForEnd,
    seek,
    recordFailure,
    noteRefusal,
    release,
    publish,
    refuse,
    done,
    fail,
  };
}
