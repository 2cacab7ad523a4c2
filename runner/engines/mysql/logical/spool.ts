import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { makeWorkDir, sweepWorkDirs } from '../../../host/files.ts';

/** A file of the dump that the tool has closed. */
export type FinishedFile = { name: string; path: string; bytes: number };

/** Dumps lie apart from other spools; each directory's name says which process it is of. */
const dumpsIn = (spoolDirectory: string) => join(spoolDirectory, 'dumps');

/**
 * The directory that the tool dumps into. It has no back-pressure (M21): `bytes` is watched, and over the bound the
 * tool is ended. A file is finished once the tool has it open no more at two looks in a row with one size; the last one
 * of a table gets its name after it was closed, which the second look sees too.
 */
export function openDumpSpool(spoolDirectory: string, backupId: string) {
  const { directory, remove } = makeWorkDir(dumpsIn(spoolDirectory), backupId);
  let before = new Map<string, number>();
  const list = () => {
    const sizes = new Map<string, number>();
    for (const name of readdirSync(directory)) {
      const found = statSync(join(directory, name), { throwIfNoEntry: false });
      if (found?.isFile()) sizes.set(name, found.size);
    }
    return sizes;
  };
  const fileOf = ([name, bytes]: [string, number]): FinishedFile => ({
    name,
    path: join(directory, name),
    bytes,
  });

  return {
    directory,
    /** Bytes in the directory, and the files that are finished. `open` are the paths that the tool has open now. */
    look: (open: () => ReadonlySet<string>): { bytes: number; finished: FinishedFile[] } => {
      // The list comes first: what is closed after it cannot be judged closed by it.
      const sizes = list();
      const held = open();
      const still = new Map([...sizes].filter(([name]) => !held.has(join(directory, name))));
      const finished = [...still]
        .filter(([name, bytes]) => bytes > 0 && before.get(name) === bytes && name !== 'metadata.partial')
        .map(fileOf);
      before = still;
      return { bytes: [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0), finished };
    },
    /** What is left once the tool has ended. */
    rest: (): FinishedFile[] => [...list()].map(fileOf),
    remove: ({ path }: FinishedFile) => rmSync(path, { force: true }),
    close: remove,
  };
}

/** Removes what runners left that were killed during a dump; says of which backups. */
export const sweepDumps = (spoolDirectory: string): string[] => sweepWorkDirs(dumpsIn(spoolDirectory));

export type DumpSpool = ReturnType<typeof openDumpSpool>;
