import { chmod, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const plain = /^[\w./@%+=:,-]+$/;

/**
 * Runs `use` with a path to the directory that a shell and InnoDB leave in one piece: `mariadb-install-db` is a script
 * that quotes nothing of what it is given or finds in its option file, and InnoDB splits names at `;`. It is the
 * directory's own path, or that of a link.
 */
export async function withPlainPath<T>(directory: string, use: (path: string) => Promise<T>): Promise<T> {
  if (plain.test(directory)) return use(directory);
  const place = await mkdtemp(join(tmpdir(), 'holdfast-path-'));
  try {
    // The server's account passes, and writes nothing here.
    await chmod(place, 0o711);
    const link = join(place, 'target');
    await symlink(directory, link);
    return await use(link);
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}
