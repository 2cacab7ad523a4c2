import type { BackupRecord } from '../../contract/records/backup.ts';

/** A backup's chain: the full it begins with and every incremental up to the backup itself, base first; or what breaks it. */
export type Chain =
  | { outcome: 'whole'; links: BackupRecord[] }
  | { outcome: 'broken'; why: string; at: string };

/** More than a policy can plan; a list of parents that goes on longer turns in a circle. */
const linksAtMost = 200;

const counts = ({ state }: BackupRecord) => state === 'verified' || state === 'proven';

/** Why `child` does not go on where `parent` ends; undefined where it does. */
function notJoined(child: BackupRecord, parent: BackupRecord): string | undefined {
  const { origin, lsn } = child;
  const said = `${child.backupId} was taken on ${parent.backupId}, but`;
  if (child.chain !== (parent.chain ?? parent.backupId)) {
    return `${said} belongs to chain ${child.chain}, not to ${parent.chain ?? parent.backupId}`;
  }
  if (!lsn || !parent.lsn || lsn.from !== parent.lsn.to) {
    return `${said} begins at LSN ${lsn?.from ?? 'unknown'} where its parent ends at ${parent.lsn?.to ?? 'unknown'}`;
  }
  const theirs = parent.origin;
  if (!origin || !theirs || !sameOrigin(origin, theirs))
    return `${said} is of another server or data directory`;
  if (child.site.bucket !== parent.site.bucket) return `${said} lies in ${child.site.bucket}`;
  if (child.serverVersion !== parent.serverVersion || child.toolVersion !== parent.toolVersion) {
    return `${said} is of server ${child.serverVersion} and tool ${child.toolVersion}, its parent of ${parent.serverVersion} and ${parent.toolVersion}`;
  }
  return undefined;
}

/** Whether both are the same files of the same server. */
export const sameOrigin = (
  a: NonNullable<BackupRecord['origin']>,
  b: NonNullable<BackupRecord['origin']>,
): boolean =>
  a.uuid === b.uuid && a.serverId === b.serverId && a.datadir === b.datadir && a.files === b.files;

/**
 * Follows a backup to the full it begins with. Every link must be recorded, go on exactly where its parent ends (F58)
 * and be of the same server, files and versions (M23); below the backup itself each must be verified or proven. What
 * the backup itself is, is for the caller to judge.
 */
export function chainOf(backup: BackupRecord, backups: readonly BackupRecord[]): Chain {
  const byId = new Map(backups.map((known) => [known.backupId, known]));
  const links = [backup];
  for (let child = backup; child.level === 'incremental'; child = links[0]!) {
    const broken = (why: string): Chain => ({ outcome: 'broken', why, at: child.backupId });
    const parent = child.parent ? byId.get(child.parent) : undefined;
    if (parent === undefined) return broken(`${child.backupId} needs ${child.parent}, which is not recorded`);
    if (!counts(parent))
      return broken(`${child.backupId} needs ${parent.backupId}, which is ${parent.state}`);
    const why = notJoined(child, parent);
    if (why !== undefined) return broken(why);
    links.unshift(parent);
    if (links.length > linksAtMost) return broken(`its chain has more than ${linksAtMost} backups`);
  }
  return { outcome: 'whole', links };
}
