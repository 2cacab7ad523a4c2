import { type FileRole, filesOfTables, renamedStem, stemOf, type TableSet } from './files-of-tables.ts';

/** What the index says of a file; `space` is InnoDB's number of its tablespace. */
type Listed = { path: string; space?: number | undefined };

export type FilesOfLink = {
  roleOf: (path: string) => FileRole | undefined;
  /** Whether a tablespace is one of the set, in this backup or a later one of the chain. */
  isOfSet: (space: number) => boolean;
  /** Tablespaces of the set whose number the index does not say: what they were called before cannot be told. */
  unnumbered: string[];
};

const isNumbered = /\.(?:ibd|new|meta)$/;

/**
 * Which files of each backup of a chain bring some tables back. An incremental holds the changed pages of a tablespace
 * by its number: where a table was renamed, exchanged or rebuilt meanwhile, the pages below them lie under another
 * name. So links are asked from the last one down, and each hands the numbers of its tablespaces to the one before.
 */
export function filesOfChain(set: TableSet) {
  const numbers = new Set<number>();
  return async (files: () => AsyncIterable<Listed>): Promise<FilesOfLink> => {
    const renamed = new Set<string>();
    const byNumber = new Set<string>();
    for await (const { path, space } of files()) {
      const note = renamedStem(path);
      if (note !== undefined) renamed.add(note);
      const stem = stemOf(path);
      if (stem !== undefined && space !== undefined && numbers.has(space)) byNumber.add(stem);
    }
    const byName = filesOfTables(set, renamed);
    const roleOf = (path: string): FileRole | undefined => {
      const role = byName(path);
      if (role !== undefined) return role;
      const stem = stemOf(path);
      return stem !== undefined && byNumber.has(stem) ? 'table' : undefined;
    };
    const unnumbered: string[] = [];
    for await (const { path, space } of files()) {
      const role = roleOf(path);
      if ((role !== 'table' && role !== 'ancestor') || !isNumbered.test(path)) continue;
      if (space === undefined) unnumbered.push(path);
      else numbers.add(space);
    }
    // Those of now: what bore a table's name only below is read there, and missed here.
    const ofSet = new Set(numbers);
    return { roleOf, isOfSet: (space) => ofSet.has(space), unnumbered };
  };
}
