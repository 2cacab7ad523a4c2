import type { Manifest } from '../../contract/formats/manifest.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import { type Refused, refused } from '../log/lambda.ts';
import { restorePrograms } from './version-fit.ts';

/** Why nothing is restored onto this host; undefined when something may be. */
export function hostRefusal(
  hostId: string,
  host: HostRecord | undefined,
  fit: readonly HostRecord['document']['purposes'][number][] = ['restore', 'drill', 'spare'],
): Refused | undefined {
  const facts = { field: 'target.hostId', value: hostId };
  if (!host) {
    return refused('Host.Unknown', `target.hostId: ${hostId} is not registered; register it first`, facts);
  }
  if (host.state !== 'registered') {
    return refused(
      'Host.Unknown',
      `target.hostId: ${hostId} has not answered its check; register it again`,
      facts,
    );
  }
  const { purposes } = host.document;
  if (purposes.some((p) => fit.includes(p))) return undefined;
  return refused(
    'Host.WrongPurpose',
    `target.hostId: ${hostId} has the purposes ${purposes.join(', ')}; one of ${fit.join(', ')} is needed`,
    facts,
  );
}

/** Why what the manifest describes cannot be restored; undefined when it can. */
export function manifestRefusal(
  manifest: Pick<Manifest, 'backupId' | 'flavour' | 'restore'>,
): Refused | undefined {
  if (!restorePrograms[manifest.flavour]) {
    return refused(
      'Restore.NotYet',
      `backupId: ${manifest.backupId} is of flavour ${manifest.flavour}; this version restores ${Object.keys(restorePrograms).join(', ')}`,
      { field: 'backupId', value: manifest.backupId },
    );
  }
  const outside = manifest.restore.outsideDatadir;
  if (outside.length === 0) return undefined;
  const shown =
    outside.slice(0, 5).join(', ') + (outside.length > 5 ? ` and ${outside.length - 5} more` : '');
  return refused(
    'Restore.OutsideDatadir',
    `backupId: ${manifest.backupId} holds tables outside the data directory (${shown}); a restore writes into target.directory only: move them into the data directory and back up again, or restore by hand`,
    { field: 'backupId', value: manifest.backupId, tables: outside.length },
  );
}

/** Why no log can be replayed on what the manifest describes; undefined when it can. */
export const unreplayed = ({
  backupId,
  flavour,
  plan,
}: Pick<Manifest, 'backupId' | 'flavour' | 'plan'>): Refused | undefined =>
  flavour === 'mariadb' || plan.method === 'logical'
    ? undefined
    : refused(
        'Restore.NotYet',
        `until: the log is not replayed on a physical backup of ${flavour} in this version; leave out until, and the state of backup ${backupId} is restored`,
        { field: 'until', value: backupId },
      );
