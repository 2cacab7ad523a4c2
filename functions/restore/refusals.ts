import type { Manifest } from '../../contract/formats/manifest.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import { type Refused, refused } from '../log/lambda.ts';
import type { Reachable } from './plan-until.ts';
import { considered } from './restorable.ts';
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

/** No backup can be brought to the point: why not the newest and the oldest, and what can be had. */
export function pointUnreached(to: Reachable, backups: readonly BackupRecord[]): Refused {
  const good = considered(backups, 'latest').toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  const asked = [...new Set([good.at(-1), good[0]])].filter((backup) => backup !== undefined);
  const why = asked.map(
    (backup) => `${backup.backupId} (${backup.startedAt}): ${to.whyNot(backup) ?? 'fits'}`,
  );
  const { gtid, file, offset } = to.point.position;
  return refused(
    'Restore.PointOutside',
    `until: no verified backup leads to ${gtid || `${file}:${offset}`}${why.length > 0 ? `; ${why.join('; ')}` : ''}; ${to.nearest}`.slice(
      0,
      3500,
    ),
    { field: 'until' },
  );
}
