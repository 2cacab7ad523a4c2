import { decodeFilename } from './filename.ts';

/** A file of a backup that belongs to a table. `stem` is the path without extension and partition, as on disk. */
export type TableFile = {
  path: string;
  db: string;
  table: string;
  partition?: string;
  stem: string;
  /** Without suffixes of compression, encryption and increments: `ibd`, `MYD`, `frm`, `new`, `ren`, `del`, … */
  extension: string;
};

/** A table as it will be once the backup is prepared, with every file of the stream that makes it up. */
export type BackedUpTable = { db: string; table: string; paths: string[] };

const packed = /(\.(zst|lz4|qp|xbcrypt))+$/;
const ofTables =
  /^(?<stem>.+?)\.(?<extension>ibd|new|frm|par|MAD|MAI|MYD|MYI|MRG|CSV|CSM|ARZ|ARM|TRG|isl|sdi|ren|del|crpt)(?<part>\.delta|\.meta)?$/;
const partitionMark = /#p#/i;
/**
 * FULLTEXT's own tables and the server's unfinished ones (ALTER, aborted DDL) are no tables of a user. The former are
 * told by their whole name (fts0fts.cc), because a user's may begin like one.
 */
const internal =
  /^(?:FTS_[0-9a-f]{16}_(?:[0-9a-f]{16}_INDEX_[1-6]|BEING_DELETED|BEING_DELETED_CACHE|CONFIG|DELETED|DELETED_CACHE)$|#sql)/i;

/** The name of a streamed file without what compression and encryption add to it (`.zst`, `.lz4`, `.qp`, `.xbcrypt`). */
export function unpackedName(path: string): string {
  return path.replace(packed, '');
}

/** Which table a path belongs to, or undefined for files of the server, of a database, and internal tables. */
export function tableFile(path: string): TableFile | undefined {
  const slash = path.indexOf('/');
  if (slash < 1 || path.indexOf('/', slash + 1) >= 0) return undefined;
  const name = unpackedName(path.slice(slash + 1));
  const parts = ofTables.exec(name)?.groups;
  const base = parts?.stem;
  const extension = parts?.extension;
  if (base === undefined || extension === undefined || internal.test(base)) return undefined;
  // MyISAM's dictionary file in MySQL 8 carries the table's id: `t_363.sdi`.
  const named = extension === 'sdi' ? base.replace(/_\d+$/, '') : base;
  const [table = named, ...rest] = named.split(partitionMark);
  return {
    path,
    db: decodeFilename(path.slice(0, slash)),
    table: decodeFilename(table),
    ...(rest.length === 0 ? {} : { partition: decodeFilename(rest.join('#P#')) }),
    stem: `${path.slice(0, slash)}/${base}`,
    extension,
  };
}

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
