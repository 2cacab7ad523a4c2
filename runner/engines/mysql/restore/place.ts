import { chown, lchown, lstat, open, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Account } from '../../../host/accounts.ts';

/** Gives a directory and all in it to the account the server runs as. Links are not followed; there are none. */
export async function giveTo(account: Account, directory: string): Promise<void> {
  await chown(directory, account.uid, account.gid);
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await giveTo(account, path);
    else await lchown(path, account.uid, account.gid);
  }
}

/** What no server starts without: the schema of its accounts, and MySQL's dictionary. */
const last = ['mysql', 'mysql.ibd'];

/** They go last. */
export function placingOrder(names: readonly string[]): string[] {
  return [
    ...names.filter((name) => !last.includes(name)).sort(),
    ...last.filter((name) => names.includes(name)),
  ];
}

/**
 * Moves the compared files from `staging` into the directory above it, one rename each, `mysql/` last: a server that
 * is started in between finds no grant tables or no dictionary and ends (F69). What stands in the directory already, its option file
 * above all, is never replaced.
 */
export async function placeFiles(staging: string, directory: string): Promise<void> {
  const names = placingOrder(await readdir(staging));
  for (const name of names) {
    if ((await lstat(join(directory, name)).catch(() => undefined)) === undefined) continue;
    throw new NamedError(
      'Restore.StreamDamaged',
      `the backup holds a file ${name}, which stands in ${directory} already`,
      {
        directory,
      },
    );
  }
  for (const name of names) {
    if (last.includes(name)) await syncDirectory(directory);
    await rename(join(staging, name), join(directory, name));
  }
  await rmdir(staging);
  await syncDirectory(directory);
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  await handle.sync().finally(() => handle.close());
}
