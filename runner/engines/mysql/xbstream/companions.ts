import { tableFile, unpackedName } from '../../../../contract/mysql-files/table-file.ts';
import type { StreamedFile, XbstreamFlavour } from './events.ts';

/** Extensions that come in twos: a table with one of them is broken without the other. */
const pairs: Readonly<Record<string, string>> = {
  MAD: 'MAI',
  MAI: 'MAD',
  MYD: 'MYI',
  MYI: 'MYD',
  CSV: 'CSM',
  CSM: 'CSV',
};

/**
 * What is missing beside files that are there: the other half of an Aria, MyISAM or CSV table and (MariaDB) its
 * .frm, the page map (.meta) of a .delta, the tablespace that a MariaDB .ren or .del note is about, and the content
 * of a .ren note. Names only: nothing is read.
 */
export function missingCompanions(
  flavour: XbstreamFlavour,
  files: ReadonlyMap<string, Readonly<StreamedFile>>,
  content: (path: string) => Buffer | undefined,
): string[] {
  const present = new Set(files.keys().map(unpackedName));
  const missing: string[] = [];
  const must = (name: string, because: string) => {
    if (!present.has(name)) missing.push(`${name} is missing, but ${because} is there`);
  };
  for (const path of files.keys()) {
    const name = unpackedName(path);
    if (name.endsWith('.delta')) must(name.replace(/delta$/, 'meta'), path);
    if (name.endsWith('.meta')) must(name.replace(/meta$/, 'delta'), path);
    const file = tableFile(path);
    if (file === undefined) continue;
    const other = pairs[file.extension];
    if (other !== undefined) {
      must(`${file.stem}.${other}`, path);
      if (flavour === 'mariadb') must(`${file.stem.replace(/#P#.*$/i, '')}.frm`, path);
    }
    if (flavour === 'mariadb' && (file.extension === 'ren' || file.extension === 'del')) {
      if (!present.has(`${file.stem}.ibd.delta`)) must(`${file.stem}.ibd`, path);
      if (file.extension === 'ren' && content(path) === undefined)
        missing.push(`${path} has no readable content`);
    }
  }
  return missing;
}
