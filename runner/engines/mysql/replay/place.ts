import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Account } from '../../../host/accounts.ts';

/** Where a replay keeps the archived files and whatever it needs besides; gone when it ends, however it ends. */
export type ReplayPlace = {
  directory: string;
  /** The archived files, `archive.000001` and on. */
  logs: string;
  /** Stored segments on their way into those files. */
  segments: string;
  /** Data directory of the scratch server. */
  scratch: string;
  /** Relay logs of the restored server. */
  relay: string;
  /** Temporary files of the scratch server and of nobody else. */
  temporary: string;
};

/** Inside the target, which has the room that the plan counted; a name that no backup has (restore/unpack.ts). */
export const replayDirectory = (directory: string) => join(directory, '.holdfast-replay');

const logName = /^[\w-]+(?:\.[\w-]+)*\.\d{6,10}$/;

/**
 * Where the n-th archived file lies, counted from 1; a server takes the digits behind the dot for the order. Files of
 * several servers may bear one name, so they are counted; without GTIDs there is one server, and its replay compares
 * the names inside the log with the point where it ends, so they keep theirs. Throws `Restore.StreamDamaged`.
 */
export function archiveFile(
  place: Pick<ReplayPlace, 'logs'>,
  n: number,
  name: string,
  names: 'counted' | 'kept',
): string {
  if (names === 'counted') return join(place.logs, `archive.${String(n).padStart(6, '0')}`);
  if (logName.test(name)) return join(place.logs, name);
  throw new NamedError('Restore.StreamDamaged', `${JSON.stringify(name)} is no name of a binary log`, {
    name,
  });
}

/** A file of a replay that the server's account alone may read. */
export async function writeForServer(path: string, text: string, account: Account): Promise<void> {
  await writeFile(path, text, { mode: 0o600, flag: 'wx' });
  await chown(path, account.uid, account.gid);
}

/** Makes the directories, the server account's alone, and removes them with all that is in them after `work`. */
export async function withReplayPlace<T>(
  target: string,
  account: Account,
  work: (place: ReplayPlace) => Promise<T>,
): Promise<T> {
  const directory = replayDirectory(target);
  const inside = (name: string) => join(directory, name);
  const place = {
    directory,
    logs: inside('logs'),
    segments: inside('segments'),
    scratch: inside('scratch'),
    relay: inside('relay'),
    temporary: inside('tmp'),
  };
  try {
    for (const path of [directory, place.logs, place.segments, place.relay, place.temporary]) {
      await mkdir(path, { mode: 0o700 });
      await chown(path, account.uid, account.gid);
    }
    return await work(place);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
