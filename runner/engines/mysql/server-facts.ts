import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Member } from '../../../contract/records/cluster.ts';
import { type Channel, readChannels } from './channels.ts';
import { outsideOf, readDatadir } from './datadir.ts';
import type { Session } from './session.ts';

/** What a server says of itself in a few statements; the start of an inspection and of a backup. */
export type ServerFacts = {
  version: string;
  variables: Record<string, string>;
  channels: Channel[];
  dumpThreads: number;
  serverId: number;
  uuid: string;
  datadir: string;
};

/** The directory as the file system knows it: a document may name it through a link. */
export const canonical = (path: string) => realpath(path).catch(() => path.replace(/(?<=.)\/+$/, ''));

/** MySQL has @@server_uuid, MariaDB @@server_uid from 10.11.6 on; before, host name and data directory stand for the instance. */
function identity(variables: Record<string, string>, datadir: string): string {
  if (variables.server_uuid) return variables.server_uuid;
  if (variables.server_uid) return variables.server_uid;
  const source = `${variables.hostname ?? ''}\0${datadir}\0${variables.port ?? ''}`;
  return createHash('sha256').update(source).digest('base64').slice(0, 28);
}

/** Reads variables, channels and dump threads of a server. */
export async function readServerFacts(session: Session): Promise<ServerFacts> {
  const variables: Record<string, string> = {};
  for (const row of await session.rows('SHOW GLOBAL VARIABLES')) {
    variables[(row.Variable_name ?? '').toLowerCase()] = row.Value ?? '';
  }
  const channels = await readChannels(session);
  const [dump] = await session.rows(session.words.dumpThreads);
  const datadir = await canonical(variables.datadir ?? '');
  return {
    version: variables.version ?? '',
    variables,
    channels,
    dumpThreads: Number(dump?.n ?? 0),
    serverId: Number(variables.server_id ?? 0),
    uuid: identity(variables, datadir),
    datadir,
  };
}

/** Sizes of the data directory, and every path of the server's data that lies outside of it (M18). */
export async function readPlaces(session: Session, facts: ServerFacts) {
  const { variables, datadir } = facts;
  const logs = [variables.log_bin_basename, variables.relay_log_basename]
    .filter((path) => path !== undefined && path !== '')
    .map((path) => basename(path!));
  const content = await readDatadir(datadir, { logs });
  const { words } = session;
  const spaces = await session.rows(words.tables.paths, [], 300);
  const outside = outsideOf(datadir, [
    ...content.outside,
    ...spaces.map((row) => row.path ?? ''),
    variables.innodb_data_home_dir ?? '',
    variables.innodb_undo_directory ?? '',
  ]);
  const age = await words.redoSinceCheckpoint(session);
  return {
    dataBytes: content.dataBytes,
    undoBytes: content.undoBytes,
    // The files may lie elsewhere (innodb_log_group_home_dir).
    redoBytes: words.redoBytes(variables) ?? content.redoBytes,
    redoToCopyBytes: age ?? content.redoBytes,
    outsideDatadir: outside,
  };
}

/** The data directory as the document and as the server name it, both as the file system knows them. */
export async function datadirs(member: Member, facts: ServerFacts) {
  return { document: await canonical(member.datadir), server: facts.datadir };
}
