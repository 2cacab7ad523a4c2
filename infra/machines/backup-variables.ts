import { caught, optional } from './steps.ts';

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

/** Past admission: what the answer of admit named. */
export const admitted = {
  ...begin,
  admitted: '{% $states.input %}',
  clusterId: '{% $states.input.clusterId %}',
  slot: optional('$states.input.slot', 'null'),
  attempt: '{% $states.input.attempt %}',
  lock: '{% $states.input.lock %}',
};

/** Admission broke: the lock may be held, so its name is told from the input; releasing what is not held harms nothing. */
export const brokenAtAdmission = {
  ...begin,
  ...caught,
  clusterId: optional('$states.input.clusterId', "''"),
  slot: optional('$states.input.slot', 'null'),
  attempt: optional('$states.input.attempt', '1'),
  lock: "{% 'cluster:' & ($exists($states.input.clusterId) ? $string($states.input.clusterId) : '') %}",
};

const about = { version: 1, clusterId: '{% $clusterId %}', at: '{% $now() %}', slot: '{% $slot %}' };
const answer = '$states.result.Payload';

/** Told after a backup was recorded, out of what record answered. */
export const succeeded = [
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

/** Told after the failure was recorded. */
export const failed = [
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
