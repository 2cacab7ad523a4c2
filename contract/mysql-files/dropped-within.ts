import type { SegmentIndex } from '../formats/segment.ts';
import { type TableName, tableKey } from './relations.ts';

export type Dropped = { table: TableName; gtid: string };

/** Follows some tables through the indexes of a log, oldest first, and tells which of them it drops and does not make again. */
export function makeDroppedWithin(tables: readonly TableName[], within: (gtid: string) => boolean) {
  const known = new Map(tables.map((table) => [tableKey(table), table]));
  const dropped = new Map<string, Dropped>();
  return {
    read({ tables: names, transactions }: Pick<SegmentIndex, 'tables' | 'transactions'>) {
      for (const { gtid, ddl, tables: touched = [] } of transactions) {
        if ((ddl !== 'drop table' && ddl !== 'create table') || !within(gtid)) continue;
        for (const at of touched) {
          const [schema = '', table = ''] = names[at] ?? [];
          const key = tableKey({ schema, table });
          const of = known.get(key);
          if (of === undefined) continue;
          if (ddl === 'drop table') dropped.set(key, { table: of, gtid });
          else dropped.delete(key);
        }
      }
    },
    dropped: (): Dropped[] => [...dropped.values()],
  };
}
