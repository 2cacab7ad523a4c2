import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';

/** What of a backup the choice looks at. */
export type Candidate = Pick<BackupRecord, 'backupId' | 'state' | 'extra' | 'startedAt' | 'reasons'>;

export type Choice<B> = { outcome: 'chosen'; backup: B } | { outcome: 'refused'; error: ErrorRecord };

const good = (b: Candidate) => b.state === 'verified' || b.state === 'proven';

type HoleIn<B> = (backup: B) => string | undefined;

/** Those among which the choice is made, as far as their own records tell: whether a chain has a hole is asked later. */
export const considered = <B extends Candidate>(backups: readonly B[], wanted: string): B[] =>
  wanted === 'latest'
    ? backups.filter((b) => good(b) && !b.extra)
    : backups.filter(({ backupId }) => backupId === wanted);

/** The newest first: of thousands the first few are looked at. */
const newestGood = <B extends Candidate>(backups: readonly B[], holeIn: HoleIn<B>): B | undefined =>
  considered(backups, 'latest')
    .toSorted((a, b) => (a.startedAt < b.startedAt ? 1 : -1))
    .find((b) => holeIn(b) === undefined);

/**
 * The backup to restore. `latest` is the newest that is verified or proven and not an extra; any other is taken
 * only by its id, and a suspect one only where that is allowed besides. None is taken whose chain has a hole.
 */
export function chooseBackup<B extends Candidate>(
  clusterId: string,
  backups: readonly B[],
  wanted: string,
  allowSuspect: boolean,
  holeIn: HoleIn<B> = () => undefined,
): Choice<B> {
  const newest = newestGood(backups, holeIn);
  const instead = newest
    ? `the newest that can be restored is ${newest.backupId} (${newest.state}, started ${newest.startedAt})`
    : `${clusterId} has no verified backup`;
  const refuse = (name: 'Backup.Unknown' | 'Backup.NotRestorable', why: string): Choice<B> => ({
    outcome: 'refused',
    error: {
      name,
      cause: `backupId: ${wanted} ${why}; ${instead}`,
      facts: { field: 'backupId', value: wanted },
    },
  });
  if (wanted === 'latest') {
    return newest
      ? { outcome: 'chosen', backup: newest }
      : refuse('Backup.Unknown', 'needs a backup that is verified or proven');
  }
  const backup = backups.find((b) => b.backupId === wanted);
  if (!backup) return refuse('Backup.Unknown', `is no backup of ${clusterId}`);
  const hole = holeIn(backup);
  if (hole !== undefined) return refuse('Backup.NotRestorable', `cannot be restored: ${hole}`);
  if (good(backup) || (backup.state === 'suspect' && allowSuspect)) return { outcome: 'chosen', backup };
  if (backup.state === 'suspect') {
    const reasons = backup.reasons.slice(0, 5).join(', ');
    return refuse('Backup.NotRestorable', `is suspect (${reasons}) and taken only with allowSuspect: true`);
  }
  return refuse('Backup.NotRestorable', `is ${backup.state}; restored is what is verified or proven`);
}
