import { type TableName, tableKey } from './relations.ts';
import { tableFile } from './table-file.ts';

/** Files that hold rows; MySQL's definitions lie in its dictionary, and MariaDB's in files of their own. */
const rows = /^(?:ibd|MYD|CSV|ARZ|MRG)$/;

/** The tables that these files define, as far as files tell. */
export function definedTables(paths: Iterable<string>, flavour: string): Set<string> {
  const defined = new Set<string>();
  for (const path of paths) {
    const file = tableFile(path);
    if (file === undefined) continue;
    if (flavour === 'mariadb' ? file.extension !== 'frm' : !rows.test(file.extension)) continue;
    defined.add(tableKey({ schema: file.db, table: file.table }));
  }
  return defined;
}

/** Those of some tables that the files do not define. */
export const undefinedTables = (tables: readonly TableName[], paths: Iterable<string>, flavour: string) => {
  const defined = definedTables(paths, flavour);
  return tables.filter((table) => !defined.has(tableKey(table)));
};
