import { decodeFilename } from '../../../contract/mysql-files/filename.ts';
import { type TableRelations, tableKey, tableText } from '../../../contract/mysql-files/relations.ts';
import type { Session } from './session.ts';

/** `shop/orders`, as InnoDB names a table; that of a partition names the table. */
function tableOf(name: string) {
  const [db = '', table = ''] = name.split('/');
  return { schema: decodeFilename(db), table: decodeFilename(table.split(/#p#/i)[0] ?? '') };
}

/** A FULLTEXT index's own tables carry the number of theirs. */
const aside = /\/FTS_([0-9a-f]{16})_/i;

/**
 * What tables have to do with each other's files, of InnoDB's own dictionary (which opens no table): foreign keys, and
 * the numbers of those with a FULLTEXT index. Tables with neither are left out.
 */
export async function readRelations(session: Session): Promise<TableRelations[]> {
  const found = new Map<string, TableRelations>();
  const of = (table: ReturnType<typeof tableOf>) => {
    const known = found.get(tableKey(table)) ?? table;
    found.set(tableKey(table), known);
    return known as TableRelations;
  };
  const keys = await session.rows(session.words.tables.foreignKeys, [], 300);
  // A schema of its own beside a name: both as users write them, not as files are named.
  const named = (schema: string | null | undefined, name: string | null | undefined) =>
    schema == null ? tableOf(name ?? '') : { schema, table: name ?? '' };
  for (const { child, child_schema, parent, parent_schema } of keys) {
    const table = of(named(child_schema, child));
    table.references = [...(table.references ?? []), named(parent_schema, parent)];
  }
  const names = new Map<number, string>();
  const numbers = new Set<string>();
  for (const { id, name } of await session.rows(session.words.tables.numbers, [], 300)) {
    const number = aside.exec(name ?? '')?.[1];
    if (number !== undefined) numbers.add(number.toLowerCase());
    else names.set(Number(id), name ?? '');
  }
  for (const number of numbers) {
    const name = names.get(Number.parseInt(number, 16));
    if (name !== undefined) of(tableOf(name)).fullText = number;
  }
  return [...found.values()].sort((a, b) => (tableText(a) < tableText(b) ? -1 : 1));
}
