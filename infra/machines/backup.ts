import { type IChainable, Pass } from 'aws-cdk-lib/aws-stepfunctions';
import type { Construct } from 'constructs';
import type { Names } from '../names.ts';
import { backupStates } from './backup-states.ts';
import { admitted, brokenAtAdmission, failed } from './backup-variables.ts';
import { answered, caught, optional, stepsOf } from './steps.ts';

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

/**
 * One attempt to capture one cluster: lock, inspect, plan, lease, run on the host, verify, record, release, publish.
 * Every failure first cancels the live job and waits until it has ended, then looks for the manifest: a backup
 * whose runner finished is a backup, whatever became of its token.
 */
export function backupDefinition(scope: Construct, names: Names): IChainable {
  const steps = stepsOf(scope, names);
  const { decide } = steps;
  const states = backupStates(scope, steps);
  const { admit, inspect, inspectMember, plan, lease, waitForLease, run, verify, record } = states;
  const { cancel, waitForEnd, seek, recordFailure, noteRefusal, release, publish, refuse, done, fail } =
    states;

  const ending = decide(
    'Did the backup succeed?',
    [
      {
        when: "$ending = 'succeeded'",
        next: done,
        outputs: {
          backupId: '{% $backupId %}',
          state: '{% $recorded.state %}',
          method: optional('$recorded.method', 'null'),
          level: optional('$recorded.level', 'null'),
          why: optional('$recorded.why', '[]'),
        },
      },
    ],
    fail,
  );
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
          assign: {
            verdict: '{% $states.input.outcome %}',
            reasons: '{% $states.input.reasons %}',
            manifestSha256: '{% $states.input.checks.manifestSha256 %}',
            confirms: optional('$states.input.confirms', 'null'),
          },
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
