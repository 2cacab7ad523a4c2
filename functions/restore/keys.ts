import type { Manifest } from '../../contract/formats/manifest.ts';
import type { CheckOrder, CheckResult } from '../../contract/records/job.ts';
import type { Misfit } from './fit-restore.ts';

/** What a check of the target looks for: the keys that the tool encrypted these backups with, each once. */
export function keysOrder(manifests: readonly Pick<Manifest, 'restore'>[]): Pick<CheckOrder, 'keys'> {
  const keys = new Map(
    manifests.flatMap(({ restore: { key } }) => (key === undefined ? [] : [[JSON.stringify(key), key]])),
  );
  return keys.size === 0 ? {} : { keys: [...keys.values()] };
}

/** The keys that the target lacks (M24); a runner that does not look for them cannot be asked to use them. */
export function keyMisfits({ keys }: Pick<CheckOrder, 'keys'>, check: CheckResult): Misfit[] {
  if (keys === undefined) return [];
  const { hostId, runnerVersion, target } = check;
  if (target?.missingKeys === undefined) {
    const cause = `target.hostId: the runner of ${hostId} (${runnerVersion}) does not look for the key that the backup is encrypted with; install this release there`;
    return [{ name: 'Runner.VersionUnsupported', field: 'target.hostId', cause }];
  }
  return target.missingKeys.map((why) => ({
    name: 'Restore.KeyMissing',
    field: 'target.hostId',
    cause: `target.hostId: ${hostId} lacks the key that the backup is encrypted with: ${why}; put it there first`,
  }));
}
