import { Duration } from 'aws-cdk-lib';
import {
  Fail,
  type IChainable,
  Map as MapState,
  Pass,
  ProvideItems,
  Succeed,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { answered, caught, optional, stepsOf, thisExecution } from './steps.ts';

/** Functions the Backup machine calls. */
export const backupMachineInvokes = [
  'admit',
  'dispatch',
  'plan',
  'lease',
  'verify',
  'record',
  'release',
  'publish',
  'cancel',
  'find-manifest',
  'record-failure',
];

/** What every path past admission starts with, so that no later state reads a variable that was never set. */
const begin = {
  backupId: '{% null %}',
  leases: '{% [] %}',
  events: '{% [] %}',
  failure: "{% {'name': 'Holdfast.Unexpected', 'cause': 'no failure was noted'} %}",
  recorded: "{% {'state': 'running'} %}",
  ending: 'failed',
  mayRelease: true,
  manifestSought: false,
};

const admitted = {
  ...begin,
  admitted: '{% $states.input %}',
  clusterId: '{% $states.input.clusterId %}',
  slot: optional('$states.input.slot', 'null'),
  attempt: '{% $states.input.attempt %}',
  lock: '{% $states.input.lock %}',
};

/** Admission broke: the lock may be held, so its name is told from the input; releasing what is not held harms nothing. */
const brokenAtAdmission = {
  ...begin,
  ...caught,
  clusterId: optional('$states.input.clusterId', "''"),
  slot: optional('$states.input.slot', 'null'),
  attempt: optional('$states.input.attempt', '1'),
  lock: "{% 'cluster:' & ($exists($states.input.clusterId) ? $string($states.input.clusterId) : '') %}",
};

const about = { version: 1, clusterId: '{% $clusterId %}', at: '{% $now() %}', slot: '{% $slot %}' };
const answer = '$states.result.Payload';

const succeeded = [
  {
    name: 'Backup Succeeded',
    detail: {
      ...about,
      backupId: '{% $backupId %}',
      bytes: `{% ${answer}.bytes %}`,
      storedBytes: `{% ${answer}.storedBytes %}`,
      seconds: `{% ${answer}.seconds %}`,
    },
  },
  {
    name: 'Backup Verified',
    detail: {
      ...about,
      backupId: '{% $backupId %}',
      volumes: `{% ${answer}.volumes %}`,
      state: `{% ${answer}.state %}`,
      reasons: `{% ${answer}.reasons %}`,
    },
  },
];

const failed = [
  {
    name: 'Backup Failed',
    detail: {
      ...about,
      backupId: '{% $backupId %}',
      attempt: '{% $attempt %}',
      error: '{% $failure.name %}',
      cause: '{% $failure.cause %}',
    },
  },
];

/**
 * One attempt to capture one cluster: lock, inspect, plan, lease, run on the host, verify, record, release, publish.
 * Every failure first cancels the live job and waits until it has ended, then looks for the manifest: a backup
 * whose runner finished is a backup, whatever became of its token.
 */
export function backupDefinition(scope: Construct, names: Names): IChainable {
  const { ask, runOnHost, decide } = stepsOf(scope, names);
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
    outputs: { memberId: '{% $states.input.memberId %}', result: '{% $states.result %}' },
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
    { ...attempt, verdict: '{% $verdict %}', reasons: '{% $reasons %}' },
    { assign: { recorded: `{% ${answer} %}`, events: succeeded, ending: 'succeeded' } },
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
  const done = Succeed.jsonata(scope, 'The backup is recorded', {
    outputs: { backupId: '{% $backupId %}', state: '{% $recorded.state %}' },
  });
  const fail = Fail.jsonata(scope, 'The backup failed', {
    error: '{% $failure.name %}',
    cause: '{% $failure.cause %}',
  });

  const ending = decide('Did the backup succeed?', [{ when: "$ending = 'succeeded'", next: done }], fail);
  const releasing = decide('May the cluster be released?', [{ when: '$mayRelease', next: release }], publish);
  const seeking = decide(
    'Was the manifest looked for before?',
    [{ when: '$manifestSought', next: recordFailure }],
    seek,
  );

  admit.next(
    decide(
      'Was the cluster admitted?',
      [
        { when: answered('admitted'), next: inspect, assign: admitted },
        {
          when: answered('adopt'),
          next: verify,
          assign: { ...admitted, backupId: '{% $states.input.backupId %}' },
        },
      ],
      refuse,
    ),
  );
  inspect.itemProcessor(
    inspectMember.addCatch(Pass.jsonata(scope, 'Note why this member cannot be inspected'), {
      outputs: { memberId: '{% $states.input.memberId %}', error: caught.failure },
    }),
  );
  inspect.next(plan);
  plan.next(
    decide(
      'Is there a plan?',
      [
        {
          when: answered('planned'),
          next: lease,
          assign: {
            planned: '{% $states.input %}',
            backupId: '{% $states.input.backupId %}',
            leases: '{% $states.input.leases %}',
          },
        },
      ],
      noteRefusal,
    ),
  );
  waitForLease.next(lease);
  lease.next(
    decide(
      'Were the leases taken?',
      [
        { when: answered('taken'), next: run },
        { when: answered('wait'), next: waitForLease },
      ],
      noteRefusal,
    ),
  );
  run.next(verify);
  verify.next(
    decide(
      'Is it a backup?',
      [
        {
          when: answered('verified', 'suspect'),
          next: record,
          assign: { verdict: '{% $states.input.outcome %}', reasons: '{% $states.input.reasons %}' },
        },
      ],
      noteRefusal,
    ),
  );
  record.next(releasing);
  noteRefusal.next(recordFailure);
  waitForEnd.next(cancel);
  cancel.next(
    decide(
      'Has the job ended?',
      [
        { when: answered('waiting'), next: waitForEnd },
        { when: answered('given-up'), next: seeking, assign: { mayRelease: false } },
      ],
      seeking,
    ),
  );
  seek.next(decide('Is there a manifest?', [{ when: answered('found'), next: verify }], recordFailure));
  recordFailure.next(releasing);
  release.next(publish);
  publish.next(ending);

  admit.addCatch(cancel, { assign: brokenAtAdmission });
  for (const step of [inspect, plan, lease, run, verify, record]) step.addCatch(cancel, { assign: caught });
  // Whether the job has ended is not known, so the lock stays until Reconcile has seen that it did.
  cancel.addCatch(seeking, { assign: { mayRelease: false } });
  seek.addCatch(recordFailure);
  recordFailure.addCatch(releasing, { assign: { events: failed, ending: 'failed' } });
  release.addCatch(publish);
  publish.addCatch(ending);
  return admit;
}
