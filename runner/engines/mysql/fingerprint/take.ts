import { randomBytes } from 'node:crypto';
import type { Fingerprint, TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { TableName } from '../../../../contract/mysql-files/relations.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import type { Session } from '../session.ts';
import { accountsHash, schemaHash } from './definitions.ts';
import { hasMoved } from './moved.ts';
import { chooseRanges, fullCoverageBytes, isSmall, type Range, rowsPerRange } from './ranges.ts';
import { readTableFacts } from './table-facts.ts';
import { isTransactional, nameInSql, readLengths, readUserTables, type UserTable } from './user-tables.ts';

export type OpenFingerprint = {
  position: MysqlPosition | null;
  /** Tables that could not be read because others changed or locked them; known after `finish`. */
  unread: () => readonly string[];
  /** Reads the tables in the snapshot; the server may go on meanwhile. Closes the snapshot. */
  finish: (onTable?: (done: number, of: number) => void) => Promise<Fingerprint>;
};

export type FingerprintOptions = {
  /** The member is a replica: its position is what it applied. */
  applied: boolean;
  /** Read what this one read (its seed and ranges), so that the two can be compared. */
  like?: Fingerprint | undefined;
  /**
   * Nobody writes now, and nobody may change tables until the snapshot is closed: each is opened, so that DDL waits.
   * Only where such waiting harms nobody, on a replica whose applier stands.
   */
  holdTables: boolean;
  /**
   * Others may change definitions meanwhile: a table that goes or changes under the reader is read once more by itself
   * and, where that fails too, has no checksum. Without it the reading fails.
   */
  others?: boolean;
  /** No table but these, and no hash of all definitions: others are known to the server, and cannot be opened. */
  only?: readonly TableName[];
  /** Wraps the moment in which the snapshot is opened, so that others can open theirs at the same one. */
  atSnapshot?: (open: () => Promise<void>) => Promise<void>;
};

const keyOf = (table: { schema: string; table: string }) => JSON.stringify([table.schema, table.table]);

/**
 * Reads what a snapshot does not keep (definitions, accounts, tables without versions of their rows), then opens a
 * consistent snapshot and reads its position. When it returns, writers may go on; `finish` reads the rest, and lets go
 * of each table once it is read: a lock that DDL waits for would make everyone queue behind that DDL.
 */
export async function openFingerprint(
  session: Session,
  options: FingerprintOptions,
): Promise<OpenFingerprint> {
  const takenAt = new Date().toISOString();
  const tables = await readUserTables(session, options.only);
  const transactional = tables.filter(isTransactional);
  const seed = options.like?.seed ?? randomBytes(8).toString('hex');
  const total = tables.reduce((sum, table) => sum + table.bytes, 0);
  const coverage = options.like?.coverage ?? (total <= fullCoverageBytes ? 'full' : 'ranges');
  const large = tables.filter((table) => !isSmall(table, tables.length)).length;
  const known = new Map(options.like?.tables.map((table) => [keyOf(table), table]));

  const rangesOf = async (table: UserTable): Promise<Range[] | undefined> => {
    const seen = known.get(keyOf(table));
    if (seen !== undefined && seen.checksum !== null) return seen.ranges;
    if (coverage === 'full' || table.kind === 'sequence' || isSmall(table, tables.length)) {
      return undefined;
    }
    const { rowBytes } = await readLengths(session, table);
    return chooseRanges(session, table, seed, rowsPerRange(rowBytes, large));
  };
  const facts = new Map<UserTable, TableFingerprint>();
  const moved: UserTable[] = [];
  const read = async (table: UserTable) => {
    try {
      facts.set(table, await readTableFacts(session, table, await rangesOf(table)));
    } catch (error) {
      if (!options.others || !hasMoved(error)) throw error;
      facts.set(table, { schema: table.schema, table: table.table, rows: 0, checksum: null });
      moved.push(table);
    }
  };

  // Before the snapshot, because a transaction that has seen a table of Aria (the server's own are) knows no savepoints.
  const schemaSha256 = options.only === undefined ? await schemaHash(session) : '';
  const accountsSha256 = await accountsHash(session);
  for (const table of tables.filter((t) => !isTransactional(t))) await read(table);

  // Where a binary log is written a savepoint releases nothing. An account that may not turn it off for itself (BINLOG
  // ADMIN) holds what it has read until the end.
  const releases = await session.run('SET SESSION sql_log_bin=0').then(
    () => true,
    () => false,
  );
  await session.run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  let position: MysqlPosition | null = null;
  const open = async () => {
    position = await session.words.openSnapshot(session, options.applied);
  };
  await (options.atSnapshot === undefined ? open() : options.atSnapshot(open));
  if (options.holdTables) {
    for (const [i, table] of transactional.entries()) {
      if (releases) await session.run(`SAVEPOINT table_${i}`);
      await session.run(`SELECT 1 FROM ${nameInSql(table)} LIMIT 0`);
    }
  }
  /** Going back to a savepoint lets go of the tables opened after it and keeps the snapshot, as mysqldump does. */
  const readAndRelease = async (table: UserTable, held: string | undefined) => {
    if (releases && held === undefined) await session.run('SAVEPOINT one_table');
    await read(table);
    if (releases) await session.run(`ROLLBACK TO SAVEPOINT ${held ?? 'one_table'}`);
  };

  return {
    position,
    unread: () => moved.map(nameInSql),
    finish: async (onTable = () => {}) => {
      // Backwards, so that each table is let go of once it is read: DDL waits for the rest only.
      for (let i = transactional.length - 1; i >= 0; i--) {
        await readAndRelease(transactional[i]!, options.holdTables ? `table_${i}` : undefined);
        onTable(transactional.length - i, transactional.length);
      }
      await session.run('ROLLBACK');
      for (const table of moved.splice(0)) await read(table);
      return {
        v: 1,
        takenAt,
        position,
        schemaSha256,
        accountsSha256,
        seed,
        coverage,
        tables: tables.map((table) => facts.get(table)!),
      };
    },
  };
}
