import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Files by which a server knows whom it replicated from, and what it had received (M17), and its old logs. */
const leftover =
  /^(?:(?:master|relay-log)(?:-[^/]*)?\.info|multi-master\.info|.*relay-bin(?:-[^/]*)?\.(?:\d{6,}|index)|auto\.cnf|mysqld-auto\.cnf)$/;

export const isReplicationLeftover = (name: string) => leftover.test(name);

/** Removes them from a prepared backup before its server starts for the first time. Says what was removed. */
export async function removeReplicationLeftovers(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter(isReplicationLeftover);
  for (const name of names) await rm(join(directory, name), { force: true });
  return names;
}
