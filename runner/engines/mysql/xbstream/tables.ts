import { tableFile } from '../../../../contract/mysql-files/table-file.ts';

/** A table as it will be once the backup is prepared, with every file of the stream that makes it up. */
export type BackedUpTable = { db: string; table: string; paths: string[] };

/**
 * The tables that preparing the backup will leave. MariaDB's notes are applied as its prepare does: `t.del` drops
 * t.ibd, `t.ren` (its content is the new path without extension) renames it, `t.new` becomes t.ibd. Percona's
 * notes name tablespace numbers and are left to its prepare.
 * @param content gives a small file's content (see the parser's state)
 */
export function tables(
  paths: Iterable<string>,
  content: (path: string) => Buffer | undefined = () => undefined,
): BackedUpTable[] {
  const files = [...paths].map(tableFile).filter((file) => file !== undefined);
  const dropped = new Set(files.filter((file) => file.extension === 'del').map((file) => file.stem));
  const renamed = new Map<string, string>();
  for (const file of files) {
    if (file.extension === 'ren')
      renamed.set(file.stem, content(file.path)?.toString('utf8').trim() ?? file.stem);
  }
  const found = new Map<string, BackedUpTable>();
  for (const file of files) {
    if (file.extension === 'del' || file.extension === 'ren' || file.extension === 'crpt') continue;
    const isSpace = file.extension === 'ibd' || file.extension === 'isl';
    if (isSpace && dropped.has(file.stem)) continue;
    const target = isSpace ? renamed.get(file.stem) : undefined;
    const named = target === undefined ? file : (tableFile(`${target}.ibd`) ?? file);
    const key = JSON.stringify([named.db, named.table]);
    const table = found.get(key) ?? { db: named.db, table: named.table, paths: [] };
    table.paths.push(file.path);
    found.set(key, table);
  }
  return [...found.values()];
}
