import { chmod, chown, lstat, mkdir, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Account } from '../../../host/accounts.ts';

/** A directory in which only its owner may rename what is another's, as /tmp is. */
const sticky = 0o1000;
const othersWrite = 0o002;

const lookAt = (path: string) =>
  lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  });

/** `/a/b` → `/a/b`, `/a`, `/`. */
function upwards(path: string): string[] {
  const above = dirname(path);
  return above === path ? [path] : [path, ...upwards(above)];
}

/**
 * Why another account of this host could put something else in the directory's place while it is filled as root;
 * undefined where none could. Every step above it must be this account's or root's, and not open to all; the
 * directory itself may be the server account's.
 */
export async function openToOthers(
  directory: string,
  account: Pick<Account, 'uid'>,
): Promise<string | undefined> {
  const trusted = new Set([0, process.getuid?.() ?? 0]);
  const judge = async (path: string, owners: ReadonlySet<number>): Promise<string | undefined> => {
    const found = await lookAt(path);
    if (found === undefined) return undefined;
    if (!owners.has(found.uid)) return `${path} belongs to the account with uid ${found.uid}`;
    const open = (found.mode & othersWrite) !== 0 && (found.mode & sticky) === 0;
    return found.isDirectory() && open ? `everybody may write to ${path}` : undefined;
  };
  const own = await judge(directory, new Set([...trusted, account.uid]));
  if (own !== undefined) return own;
  const above = upwards(dirname(directory));
  const existing = await realpath((await firstThere(above)) ?? '/');
  for (const path of new Set([...above, ...upwards(existing)])) {
    const why = await judge(path, trusted);
    if (why !== undefined) return why;
  }
  return undefined;
}

async function firstThere(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if ((await lookAt(path)) !== undefined) return path;
  return undefined;
}

/**
 * Makes the target directory this account's own until the restore is done: the server's account may pass it and
 * write nothing in it, so that what runs as that account meanwhile can swap neither the files nor their option file.
 */
export async function takeDirectory(directory: string, account: Account): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const why = await openToOthers(directory, account);
  if (why !== undefined) {
    throw new NamedError('Input.Invalid', `target.directory ${directory}: ${why}`, {
      field: 'target.directory',
      value: directory,
    });
  }
  await chown(directory, process.getuid?.() ?? 0, account.gid);
  const { mode } = await lstat(directory);
  await chmod(directory, (mode & 0o755) | 0o710);
}
