import { lstat, readdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

export type DirectoryState = {
  state: 'absent' | 'empty' | 'not-empty' | 'not-a-directory';
  /** Up to ten names found there, for the operator who has to decide about them. */
  entries: string[];
};

/** Says what stands where a restore wants to go. `lost+found`, which every fresh ext4 disk has, does not count. */
export async function directoryState(directory: string): Promise<DirectoryState> {
  try {
    if (!(await lstat(directory)).isDirectory()) return { state: 'not-a-directory', entries: [] };
  } catch (error) {
    if (isAbsent(error)) return { state: 'absent', entries: [] };
    throw error;
  }
  const entries = (await readdir(directory)).filter((name) => name !== 'lost+found').sort();
  return { state: entries.length === 0 ? 'empty' : 'not-empty', entries: entries.slice(0, 10) };
}

/** Bytes that may still be written where `path` is or would be: asked of the nearest directory that exists. */
export async function freeBytes(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at);
      return bavail * bsize;
    } catch (error) {
      if (!isAbsent(error) || at === dirname(at)) throw error;
    }
  }
}

const isAbsent = (error: unknown): boolean => {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENOTDIR';
};
