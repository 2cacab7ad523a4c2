/** What every path past the plan starts with, so that no later state reads a variable that was never set. */
export const begin = {
  planned: '{% $states.input %}',
  clusterId: '{% $states.input.clusterId %}',
  backupId: '{% $states.input.backupId %}',
  lock: '{% $states.input.lock %}',
  events: '{% [] %}',
  failure: "{% {'name': 'Holdfast.Unexpected', 'cause': 'no failure was noted'} %}",
  restored: '{% {} %}',
  ending: 'failed',
  mayRelease: true,
};

/** Told after the restore was recorded, out of what record-restore answered. */
export const completed = [
  {
    name: 'Restore Completed',
    detail: {
      version: 1,
      clusterId: '{% $clusterId %}',
      at: '{% $now() %}',
      backupId: '{% $backupId %}',
      hostId: '{% $states.result.Payload.hostId %}',
      directory: '{% $states.result.Payload.directory %}',
      comparison: '{% $states.result.Payload.comparison %}',
      seconds: '{% $states.result.Payload.seconds %}',
    },
  },
];
