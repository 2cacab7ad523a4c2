import type { Fingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { UserTable } from '../fingerprint/user-tables.ts';
import type { TableRef } from './dump-files.ts';
import type { DumpMetadata } from './metadata.ts';

/** What went by while a dump was streamed. */
export type SeenDump = {
  /** Rows counted in the files themselves, by `keyOf` of the table. */
  rows: ReadonlyMap<string, number>;
  /** Tables whose definition the tool wrote. */
  defined: ReadonlySet<string>;
  /** Files that belong to no table or schema that was there when the dump began. */
  unknown: readonly string[];
  /** Files of rows that end within a statement. */
  cut: readonly string[];
  metadata: DumpMetadata | undefined;
};

export const keyOf = ({ schema, table }: TableRef): string => JSON.stringify([schema, table]);

/**
 * Why the files of a dump are not a whole backup; empty when they are. The tool's own word is not enough: it ends with
 * code 0 without triggers, without a position, and without the rows of a table that went while it looked.
 */
export function dumpFaults(
  seen: SeenDump,
  expected: {
    tables: readonly TableRef[];
    positionNeeded: boolean;
    /** Where the dump stands, as far as anybody told. */
    position: Pick<MysqlPosition, 'gtid' | 'file'> | null | undefined;
  },
  fingerprint: Pick<Fingerprint, 'tables' | 'coverage'>,
  standing: (table: TableRef) => boolean,
): string[] {
  const reasons: string[] = [];
  const { metadata } = seen;
  if (metadata === undefined || !metadata.finished) reasons.push('the tool wrote no finished metadata file');
  const position = expected.position?.gtid || expected.position?.file || '';
  if (metadata !== undefined && expected.positionNeeded && position === '') {
    reasons.push('the metadata file has no position, so no log can be joined to the dump');
  }
  for (const file of seen.unknown) reasons.push(`${file} is of no table that the server has`);
  for (const file of seen.cut) reasons.push(`${file} ends within a statement`);
  for (const table of expected.tables) {
    if (!seen.defined.has(keyOf(table)))
      reasons.push(`${table.schema}.${table.table} has no file in the dump`);
  }
  for (const table of fingerprint.tables) {
    const dumped = seen.rows.get(keyOf(table)) ?? 0;
    // In ranges the fingerprint has seen only a part of the table.
    const wrong = table.ranges === undefined ? dumped !== table.rows : dumped < table.rows;
    if (table.checksum !== null && standing(table) && wrong) {
      reasons.push(
        `${table.schema}.${table.table} has ${dumped} rows in the dump and ${table.ranges === undefined ? '' : 'at least '}${table.rows} in the snapshot`,
      );
    }
  }
  return reasons;
}

/** Tables that hold still while they are dumped: those with a snapshot, and all where nobody writes. */
export const standsStill = (table: UserTable, nobodyWrites: boolean): boolean =>
  nobodyWrites || table.kind === 'sequence' || table.engine === 'InnoDB' || table.engine === 'ROCKSDB';
