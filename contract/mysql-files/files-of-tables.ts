import { type TableName, type TableRelations, tableKey } from './relations.ts';
import { fullTextFile, tableFile, unpackedName } from './table-file.ts';

/** What a file is read for: a wanted table, one that it depends on, or the server in which both are opened. */
export type FileRole = 'fixed' | 'table' | 'ancestor';

export type TableSet = {
  tables: readonly TableName[];
  ancestors: readonly TableName[];
  /** As the manifest has them; undefined for a backup of a release that did not record them. */
  relations: readonly TableRelations[] | undefined;
  /** Of the server; MariaDB where it is left out. */
  flavour?: string;
};

/** The logs that a server keeps as tables: any size, and no server needs them to start. */
const logTables = new Set(['general_log', 'slow_log']);

/** Whether a table is one of them, which no restore of tables reads. */
export const isLogTable = ({ schema, table }: TableName): boolean =>
  schema === 'mysql' && logTables.has(table);
/** Of the server's own files the only one that only makes it warm. */
const warmth = 'ib_buffer_pool';

/**
 * Which files of a MariaDB backup bring back some tables (M04): those of the tables and of the tables they depend on
 * (also partitions and FULLTEXT's own), the server's own at the top (system tablespace, undo, redo, Aria's log, what the
 * tool wrote), and the schema `mysql`, without which no server starts. Triggers are left out: they would need what
 * they name.
 *
 * A tablespace that was renamed while the tool ran lies under its old name with a note `.ren`: each such note comes
 * along with its file, since the new name is in it.
 * @param renamed stems of the `.ren` notes of the backup
 */
export function filesOfTables(set: TableSet, renamed: ReadonlySet<string>) {
  const roles = new Map<string, FileRole>();
  for (const of of set.ancestors) roles.set(tableKey(of), 'ancestor');
  for (const of of set.tables) roles.set(tableKey(of), 'table');
  const schemas = new Set([...set.tables, ...set.ancestors].map(({ schema }) => schema));
  const byNumber = new Map<string, FileRole>();
  for (const of of set.relations ?? []) {
    const role = roles.get(tableKey(of));
    if (role !== undefined && of.fullText !== undefined) byNumber.set(of.fullText, role);
  }

  return (path: string): FileRole | undefined => {
    if (!path.includes('/')) return path === warmth ? undefined : 'fixed';
    const stem = stemOf(path);
    if (stem !== undefined && renamed.has(stem)) return 'fixed';
    const aside = fullTextFile(path);
    if (aside !== undefined) {
      // Without numbers it may be anyone's of the schema.
      if (set.relations === undefined) return schemas.has(aside.db) ? 'table' : undefined;
      return schemas.has(aside.db) ? byNumber.get(aside.id) : undefined;
    }
    const file = tableFile(path);
    if (file === undefined) {
      const [directory = ''] = path.split('/');
      return directory === 'mysql' ? 'fixed' : undefined;
    }
    if (file.extension === 'TRG') return undefined;
    if (file.db === 'mysql') {
      return isLogTable({ schema: file.db, table: file.table }) ? undefined : 'fixed';
    }
    return roles.get(tableKey({ schema: file.db, table: file.table }));
  };
}

/** The path of a tablespace without its extension, also of an unfinished one; undefined for other files. */
export function stemOf(path: string): string | undefined {
  return /^(.+)\.(?:ibd|new|ren)(?:\.delta|\.meta)?$/.exec(unpackedName(path))?.[1];
}

/** The stem of a rename's note, for `filesOfTables`; undefined for other files. */
export const renamedStem = (path: string): string | undefined =>
  unpackedName(path).endsWith('.ren') ? stemOf(path) : undefined;
