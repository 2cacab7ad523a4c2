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

const packed = /(\.(zst|lz4|qp|xbcrypt))+$/;
const ofTables =
  /^(?<stem>.+?)\.(?<extension>ibd|new|frm|par|MAD|MAI|MYD|MYI|MRG|CSV|CSM|ARZ|ARM|TRG|isl|sdi|ren|del|crpt)(?<part>\.delta|\.meta)?$/;
const partitionMark = /#p#/i;
/** FULLTEXT's own tables are told by their whole name (fts0fts.cc), because a user's may begin like one. */
const fullText =
  /^FTS_(?<id>[0-9a-f]{16})_(?:[0-9a-f]{16}_INDEX_[1-6]|BEING_DELETED|BEING_DELETED_CACHE|CONFIG|DELETED|DELETED_CACHE)$/i;
/** Of an ALTER that has not ended, or of one that was aborted. */
const unfinished = /^#sql/i;

/** The name of a streamed file without what compression and encryption add to it (`.zst`, `.lz4`, `.qp`, `.xbcrypt`). */
export function unpackedName(path: string): string {
  return path.replace(packed, '');
}

/** The database's directory, and stem and extension of the file in it; undefined for files elsewhere. */
function nameParts(path: string) {
  const slash = path.indexOf('/');
  if (slash < 1 || path.indexOf('/', slash + 1) >= 0) return undefined;
  const parts = ofTables.exec(unpackedName(path.slice(slash + 1)))?.groups;
  if (parts?.stem === undefined || parts.extension === undefined) return undefined;
  return { directory: path.slice(0, slash), stem: parts.stem, extension: parts.extension };
}

/** Which table a path belongs to, or undefined for files of the server, of a database, and internal tables. */
export function tableFile(path: string): TableFile | undefined {
  const parts = nameParts(path);
  if (parts === undefined || fullText.test(parts.stem) || unfinished.test(parts.stem)) return undefined;
  const { directory, stem, extension } = parts;
  // MyISAM's dictionary file in MySQL 8 carries the table's id: `t_363.sdi`.
  const named = extension === 'sdi' ? stem.replace(/_\d+$/, '') : stem;
  const [table = named, ...rest] = named.split(partitionMark);
  return {
    path,
    db: decodeFilename(directory),
    table: decodeFilename(table),
    ...(rest.length === 0 ? {} : { partition: decodeFilename(rest.join('#P#')) }),
    stem: `${directory}/${stem}`,
    extension,
  };
}

/**
 * The table of a FULLTEXT index that a file belongs to: its schema and InnoDB's number of it, as 16 hexadecimal
 * digits. Undefined for every other file.
 */
export function fullTextFile(path: string): { db: string; id: string } | undefined {
  const parts = nameParts(path);
  const id = parts && fullText.exec(parts.stem)?.groups?.id;
  return parts && id ? { db: decodeFilename(parts.directory), id: id.toLowerCase() } : undefined;
}
