import type { FileRole, TableSet } from '../../../contract/mysql-files/files-of-tables.ts';

/** Definitions of everything in a dump; those of the wanted tables are taken out of it. */
const definitions = 'holdfast/definitions.jsonl';
/** mydumper: `schema.table`, numbers of chunks, `.sql`. */
const rows = /^dump\/(.*?)(?:\.\d{5}){0,2}\.sql$/s;

/** Which files of a dump bring some tables back: those of their rows, and the definitions. */
export function filesOfDump({ tables, ancestors }: Pick<TableSet, 'tables' | 'ancestors'>) {
  const roles = new Map<string, FileRole>();
  for (const { schema, table } of ancestors) roles.set(`${schema}.${table}`, 'ancestor');
  for (const { schema, table } of tables) roles.set(`${schema}.${table}`, 'table');
  return (path: string): FileRole | undefined => {
    if (path === definitions) return 'fixed';
    const stem = rows.exec(path)?.[1];
    return stem === undefined ? undefined : roles.get(stem);
  };
}
