import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { filesOfTables, renamedStem } from '../../../../contract/mysql-files/files-of-tables.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';

type Named = Pick<RestoreTablesOrder, 'tables' | 'ancestors'>;

/** Which of the backup's files are read, once it is known which there are. */
export const wantedFiles =
  ({ tables, ancestors }: Named, { relations }: Pick<Manifest, 'relations'>) =>
  (paths: readonly string[]) => {
    const renamed = new Set(paths.map(renamedStem).filter((stem) => stem !== undefined));
    const roleOf = filesOfTables({ tables, ancestors, relations }, renamed);
    return (path: string) => roleOf(path) !== undefined;
  };

/**
 * Whether a tablespace was left out on purpose, by the path that prepare misses it under. What the set is made of never
 * is (M19).
 */
export function isLeftOut(
  { tables, ancestors }: Named,
  { relations }: Pick<Manifest, 'relations'>,
): (path: string) => boolean {
  const roleOf = filesOfTables({ tables, ancestors, relations }, new Set());
  return (path) => roleOf(path) === undefined;
}
