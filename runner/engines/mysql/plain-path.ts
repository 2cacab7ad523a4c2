import { lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processRuns, readProcess } from '../../host/process-group.ts';

const plain = /^[\w./@%+=:,-]+$/;
const linkName = 'target';

/**
 * Runs `use` with a path to the directory that a shell and InnoDB leave in one piece: `mariadb-install-db` is a script
 * that quotes nothing of what it is given or finds in its option file, and InnoDB splits names at `;`. It is the
 * directory's own path, or that of a link.
 */
export async function withPlainPath<T>(directory: string, use: (path: string) => Promise<T>): Promise<T> {
  if (plain.test(directory)) return use(directory);
  // Its name says whose it is, for the sweep behind a runner that was killed.
  const owner = `${process.pid}.${readProcess(process.pid)?.startTime ?? '0'}`;
  const place = await mkdtemp(join(tmpdir(), `holdfast-path.${owner}.`));
  try {
    // The server's account passes, and writes nothing here.
    await chmod(place, 0o711);
    const link = join(place, linkName);
    await symlink(directory, link);
    return await use(link);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Removes links whose runner is gone. What is not this account's own is somebody else's, whatever it is called. */
export function sweepPlainPaths(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = /^holdfast-path\.(\d+)\.(\d+)\.\w+$/.exec(name);
    if (!owner || processRuns(Number(owner[1]), owner[2])) continue;
    const place = join(tmpdir(), name);
    try {
      const found = lstatSync(place);
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue;
      if (readdirSync(place).includes(linkName)) unlinkSync(join(place, linkName));
      rmdirSync(place);
    } catch {
      // Another sweep was quicker.
    }
  }
}
