import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import { quoteName, type Row, type Session } from '../session.ts';
import { checksumQuery, checksumText } from './checksum.ts';
import { type Range, rangeSource } from './ranges.ts';
import { isComparable, type UserTable } from './user-tables.ts';

/** Seconds that reading one table may take: 1 GiB of cold data from a slow disk. */
const readSeconds = 3600;

const nameOf = ({ schema, table }: UserTable) => ({ schema, table });

/** Name and state of a sequence are one row that is stored like a table's. */
const sequenceColumns = [
  'next_not_cached_value',
  'minimum_value',
  'maximum_value',
  'start_value',
  'increment',
  'cache_size',
  'cycle_option',
  'cycle_count',
].map((name) => ({ name, type: 'bigint' }));

/**
 * Counts and sums the rows of one table, whole or in ranges; of a versioned table also those of the past. A table
 * that cannot be compared (MEMORY, remote engines) has a null checksum and is not read.
 */
export async function readTableFacts(
  session: Session,
  table: UserTable,
  ranges: Range[] | undefined,
): Promise<TableFingerprint> {
  if (!isComparable(table)) return { ...nameOf(table), rows: 0, checksum: null };
  const name = `${quoteName(table.schema)}.${quoteName(table.table)}`;
  const all = table.kind === 'versioned' ? `${name} FOR SYSTEM_TIME ALL` : name;
  const columns = table.kind === 'sequence' ? sequenceColumns : table.columns;
  const read = async (from: string): Promise<Row> => {
    const row = (await session.rows(checksumQuery(columns, from), [], readSeconds))[0] ?? {};
    if (row.n === row.c) return row;
    throw new NamedError(
      'Backup.Failed',
      `${Number(row.n) - Number(row.c)} rows of ${name} cannot be compared: a row does not fit into the server's max_allowed_packet; 1 MiB is enough for any`,
      { table: name },
    );
  };
  if (ranges === undefined) {
    const row = await read(all);
    return {
      ...nameOf(table),
      rows: Number(row.n ?? 0),
      checksum: checksumText(row.s ?? null, row.x ?? null),
    };
  }
  let rows = 0;
  const sums: string[] = [];
  for (const range of ranges) {
    const row = await read(rangeSource({ ...table, columns }, range, all));
    rows += Number(row.n ?? 0);
    sums.push(checksumText(row.s ?? null, row.x ?? null));
  }
  return { ...nameOf(table), rows, checksum: sums.join(' '), ranges };
}
