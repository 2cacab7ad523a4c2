import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';

/** What lies in a data directory. Bytes as the files' sizes say. */
export type DatadirContent = {
  dataBytes: number;
  redoBytes: number;
  undoBytes: number;
  /** Where files or directories outside are pointed to from within (M18). */
  outside: string[];
};

/** Logs, undo and temporary space at the top level do not count as data: the 20 GB rule and the plan look at what must be copied (M25). */
const redo = /^ib_logfile\d+$/;
/** `undo001` of MariaDB, `undo_001` and a user's own `….ibu` of MySQL. */
const undo = /^undo_?\d+$|\.ibu$/;
const noData =
  /^(#ib_.*\.dblwr|ibtmp\d+|ib_buffer_pool|aria_log\..*|aria_log_control|tc\.log|.*\.pid|.*\.err|.*\.sock)$/;

export type DatadirNames = {
  /**
   * Base names of binary and relay logs that lie in the data directory (`pbin`, `relay`); `…-relay-bin`, which a server
   * takes where none is configured and does not tell, is known.
   */
  logs: readonly string[];
};

/** Walks a data directory. What vanishes meanwhile (a dropped table) is passed over. */
export async function readDatadir(datadir: string, names: DatadirNames): Promise<DatadirContent> {
  const found: DatadirContent = { dataBytes: 0, redoBytes: 0, undoBytes: 0, outside: [] };
  const isLog = (name: string) => {
    const base = /^(.+)\.(?:\d{6,}|index|state)$/.exec(name)?.[1];
    if (base === undefined) return false;
    // A named channel's relay logs carry its name after the base.
    return (
      /-relay-bin(-|$)/.test(base) || names.logs.some((log) => base === log || base.startsWith(`${log}-`))
    );
  };

  const walk = async (directory: string, top: boolean): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true }).catch(gone([]))) {
      const path = join(directory, entry.name);
      if (entry.isSymbolicLink()) {
        const target = await readlink(path).catch(gone(''));
        if (target !== '') found.outside.push(resolve(directory, target));
      } else if (entry.isDirectory()) {
        if (!entry.name.startsWith('#')) await walk(path, false);
      } else if (entry.name.endsWith('.isl')) {
        found.outside.push((await readFile(path, 'utf8').catch(gone(''))).trim());
      } else if (entry.isFile()) {
        const size = (await lstat(path).catch(gone(undefined)))?.size ?? 0;
        if (top && redo.test(entry.name)) found.redoBytes += size;
        else if (top && undo.test(entry.name)) found.undoBytes += size;
        else if (!(top && (noData.test(entry.name) || isLog(entry.name)))) found.dataBytes += size;
      }
    }
  };
  await walk(datadir, true);
  return found;
}

function gone<T>(instead: T) {
  return (error: NodeJS.ErrnoException): T => {
    if (error.code === 'ENOENT') return instead;
    throw error;
  };
}

/** Which of the paths a server names (`./`, relative or absolute) lie outside of its data directory. */
export function outsideOf(datadir: string, paths: readonly string[]): string[] {
  const root = resolve(datadir);
  const outside = paths
    .filter((path) => path !== '')
    .map((path) => (isAbsolute(path) ? resolve(path) : resolve(root, path)))
    .filter((path) => path !== root && !path.startsWith(`${root}/`));
  return [...new Set(outside)].sort();
}
