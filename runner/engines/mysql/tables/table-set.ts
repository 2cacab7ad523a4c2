import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { type FilesOfLink, filesOfChain } from '../../../../contract/mysql-files/files-of-chain.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { StoredFiles } from '../../engine.ts';
import type { IsLeftOut } from '../restore/prepare.ts';

export type OpenLink = () => Promise<StoredFiles>;

/** One backup of those that bring the tables back, and which of its files are read. */
export type TableLink = FilesOfLink & { open: OpenLink };

/**
 * Whether a tablespace that prepare misses was left out on purpose; what the set is made of it may not miss (M19). In a
 * chain the redo of an incremental names tablespaces as they were called then, so it is their numbers that count.
 */
export const isLeftOut =
  ({ roleOf, isOfSet }: FilesOfLink, ofChain: boolean): IsLeftOut =>
  ({ path, space }) => {
    const role = roleOf(path);
    return ofChain ? role !== 'fixed' && !isOfSet(space) : role === undefined;
  };

/** Which files are read of each backup, base first. */
export async function linksOfTables(
  { tables, ancestors }: Pick<RestoreTablesOrder, 'tables' | 'ancestors'>,
  { relations }: Pick<Manifest, 'relations'>,
  opened: readonly OpenLink[],
): Promise<TableLink[]> {
  const filesOfLink = filesOfChain({ tables, ancestors, relations });
  const links: TableLink[] = [];
  for (const open of opened.toReversed()) {
    const stored = await open();
    const link = await filesOfLink(() => stored.listFiles('main'));
    const [space] = link.unnumbered;
    if (space !== undefined && opened.length > 1) {
      throw new NamedError(
        'Restore.NotYet',
        `tables: the index of ${stored.manifest.backupId} does not say which tablespace ${space} is, so that its tables cannot be followed through the chain`,
        { backupId: stored.manifest.backupId },
      );
    }
    links.unshift({ ...link, open });
  }
  return links;
}
