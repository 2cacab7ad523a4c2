import { lstat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { NamedError } from '../../../contract/errors/named-error.ts';
import { compareLsn } from '../../../contract/positions/lsn.ts';
import type { Increment, Origin } from '../../../contract/records/backup.ts';
import type { ServerFacts } from './server-facts.ts';
import type { Checkpoints } from './xbstream/metadata.ts';

/**
 * What tells the files of a data directory from others put in their place under the same server (a restore by hand, a
 * copy): inode and birth of the first file of InnoDB's system tablespace, which lives as long as its data directory.
 */
export async function filesIdentity({
  datadir,
  variables,
}: Pick<ServerFacts, 'datadir' | 'variables'>): Promise<string> {
  const [first = ''] = (variables.innodb_data_file_path ?? '').split(':');
  const home = resolve(datadir, variables.innodb_data_home_dir || '.');
  const look = (path: string) => lstat(path, { bigint: true });
  const { ino, birthtimeNs } = await look(resolve(home, first || 'ibdata1')).catch(() => look(datadir));
  return `${ino}:${birthtimeNs}`;
}

/** The server and files that a backup is of. */
export const originOf = async (facts: ServerFacts): Promise<Origin> => ({
  uuid: facts.uuid,
  serverId: facts.serverId,
  datadir: facts.datadir,
  files: await filesIdentity(facts),
});

type Found = { origin: Origin; serverVersion: string; toolVersion: string };

/** Why what is there is not what the parent was taken of; undefined where it is. The tool itself would not notice. */
export function otherOrigin(
  { origin, serverVersion, toolVersion }: Increment,
  found: Found,
): string | undefined {
  const pairs: [string, unknown, unknown][] = [
    ['the server', origin.uuid, found.origin.uuid],
    ['the server id', origin.serverId, found.origin.serverId],
    ['the data directory', origin.datadir, found.origin.datadir],
    ['the files in the data directory (inode and birth)', origin.files, found.origin.files],
    ['the version of the server', serverVersion, found.serverVersion],
    ['the version of the tool', toolVersion, found.toolVersion],
  ];
  const other = pairs.find(([, was, is]) => was !== is);
  return other && `${other[0]} was ${other[1]} when the parent was taken and is ${other[2]} now`;
}

export const chainBroken = (parent: string | null, why: string) =>
  new NamedError('Backup.ChainBroken', `an incremental on ${parent} is not one: ${why}`, { parent });

/**
 * Why the tool's own word on LSNs is not what was ordered; undefined where it is. A full begins at 0. An incremental
 * begins where its parent ends and the log has come further since: a server whose log is behind has another history.
 */
export function otherLsn(
  checkpoints: Pick<Checkpoints, 'backupType' | 'fromLsn' | 'toLsn' | 'lastLsn'> | undefined,
  increment: Pick<Increment, 'fromLsn'> | undefined,
): string | undefined {
  if (increment === undefined) return undefined;
  if (checkpoints === undefined) return 'the tool did not say from which LSN it is';
  const { backupType, fromLsn, toLsn, lastLsn } = checkpoints;
  if (backupType !== 'incremental') return `the tool took a backup of type ${backupType}`;
  if (fromLsn !== increment.fromLsn) return `it begins at LSN ${fromLsn}, where ${increment.fromLsn} is due`;
  return compareLsn(toLsn, fromLsn) < 0 || compareLsn(lastLsn, toLsn) < 0
    ? `the log of the server stands at LSN ${toLsn} (${lastLsn}), before the ${fromLsn} at which the parent ends`
    : undefined;
}
