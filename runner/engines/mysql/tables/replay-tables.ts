import { readFile } from 'node:fs/promises';
import { zstdDecompressSync } from 'node:zlib';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { readSegmentHead, readSegmentIndex } from '../../../../contract/formats/segment-codec.ts';
import { reachingIn } from '../../../../contract/mysql-files/reaching-in.ts';
import type { TableName } from '../../../../contract/mysql-files/relations.ts';
import { transactionsBetween } from '../../../../contract/positions/transactions-between.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { ArchivedLog } from '../../engine.ts';

/** A name as a pattern that stands for it alone. */
const literal = (name: string) => name.replaceAll(/[\\_%]/g, '\\$&');

/**
 * Options by which an applier takes the log of these tables alone. Patterns, because with names only it would follow
 * CREATE and DROP DATABASE of schemas that are not there.
 */
export const tableFilters = ({
  tables,
  ancestors,
}: Pick<RestoreTablesOrder, 'tables' | 'ancestors'>): string[] =>
  [...tables, ...ancestors].map(
    ({ schema, table }) => `--replicate-wild-do-table=${literal(schema)}.${literal(table)}`,
  );

/**
 * The archived log, refused once it is fetched where something in it reaches into the tables from outside (M04): nothing
 * has been replayed by then, and the live server has not been touched.
 */
export function logOfTables(log: ArchivedLog, set: readonly TableName[]): ArchivedLog {
  return {
    ...log,
    fetch: async (directory) => {
      const segments = await log.fetch(directory);
      const within = transactionsBetween(log);
      for (const path of segments) {
        const body = await readFile(path);
        const parts = readSegmentHead(body, zstdDecompressSync);
        if (parts === undefined) throw new NamedError('Log.Damaged', `${path} has no whole header`);
        const index = readSegmentIndex(body.subarray(parts.index.from, parts.index.to), zstdDecompressSync);
        const found = reachingIn(set, index, within);
        if (found === undefined) continue;
        throw new NamedError(
          'Restore.TableUnfit',
          `tables: ${found.why}, so that the log of these tables alone does not lead to the point; name those too, choose a point before it (until: {"beforeGtid": "${found.gtid}"}), or restore the whole`,
          { gtid: found.gtid },
        );
      }
      return segments;
    },
  };
}
