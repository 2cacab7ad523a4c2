import type { FileRole } from '../../../contract/mysql-files/files-of-tables.ts';
import type { TableName } from '../../../contract/mysql-files/relations.ts';

/** Definitions of everything in a dump; those of the wanted tables are taken out of it. */
const definitions = 'holdfast/definitions.jsonl';
/** mydumper: `schema.table`, numbers of chunks, `.sql`. */
const rows = /^dump\/(.*?)(?:\.\d{5}){0,2}\.sql$/s;

/** Which files of a dump bring some tables back: those of their rows, and the definitions. */
export function filesOfDump(tables: readonly TableName[]) {
  const stems = new Set(tables.map(({ schema, table }) => `${schema}.${table}`));
  return (path: string): FileRole | undefined => {
    if (path === definitions) return 'fixed';
    const stem = rows.exec(path)?.[1];
    return stem !== undefined && stems.has(stem) ? 'table' : undefined;
  };
}
