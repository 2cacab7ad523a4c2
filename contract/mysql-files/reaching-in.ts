import type { SegmentIndex, SegmentTransaction } from '../formats/segment.ts';
import { type TableName, tableKey, tableText } from './relations.ts';

/**
 * What a list of names in a statement may hold that is no table: `ON DELETE CASCADE`, `ON UPDATE CURRENT_TIMESTAMP`,
 * `TRUNCATE PARTITION`, `CONVERT TO CHARACTER SET`.
 */
const words = new Set([
  'delete',
  'update',
  'current_timestamp',
  'now',
  'cascade',
  'restrict',
  'set',
  'null',
  'no',
  'partition',
  'character',
]);

export type ReachingIn = { gtid: string; why: string };

/**
 * The first transaction by which something comes into some tables, or leaves them, that a replay of these tables alone
 * would not know of (M04): a definition that names them together with others (RENAME, EXCHANGE PARTITION, CREATE …
 * LIKE or SELECT, a foreign key to another), one of their whole schema, and rows that were written as a statement.
 * @param set the tables that are replayed
 * @param within whether a transaction is replayed
 */
export function reachingIn(
  set: readonly TableName[],
  index: Pick<SegmentIndex, 'tables' | 'transactions'>,
  within: (gtid: string) => boolean,
): ReachingIn | undefined {
  const own = new Set(set.map(tableKey));
  const schemas = new Set(set.map(({ schema }) => schema));
  const ofAll = ([schema, table]: readonly [string, string]) =>
    table === '*' && (schema === '*' || schemas.has(schema));

  const judge = ({ gtid, ddl, unsure, tables = [] }: SegmentTransaction): string | undefined => {
    const named = tables.map((at) => index.tables[at]).filter((name) => name !== undefined);
    const touched = named.filter(([schema, table]) => own.has(tableKey({ schema, table })));
    if (ddl === undefined) {
      return unsure
        ? `${gtid} may touch more than its log says (written as a statement, or of very many tables)`
        : undefined;
    }
    // What is there already is not made once more.
    if (/^create (?:database|schema)$/.test(ddl)) return undefined;
    if (named.some(ofAll)) return `${gtid} (${ddl}) is of a whole schema of theirs`;
    if (touched.length === 0) return undefined;
    const others = named.filter(
      ([schema, table]) => !own.has(tableKey({ schema, table })) && !words.has(table.toLowerCase()),
    );
    if (others.length > 0) {
      const texts = (of: readonly (readonly [string, string])[]) =>
        of.map(([schema, table]) => tableText({ schema, table })).join(', ');
      return `${gtid} (${ddl}) is of ${texts(touched)} together with ${texts(others)}`;
    }
    return unsure ? `${gtid} (${ddl}) may touch more than its log says` : undefined;
  };

  for (const transaction of index.transactions) {
    if (!within(transaction.gtid)) continue;
    const why = judge(transaction);
    if (why !== undefined) return { gtid: transaction.gtid, why };
  }
  return undefined;
}
