import { randomBytes } from 'node:crypto';
import type { Fingerprint, TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { MysqlPosition } from '../../../../contract/positions/position.ts';
import { snapshotPosition } from '../position.ts';
import { quoteName, type Session } from '../session.ts';
import { accountsHash, schemaHash } from './definitions.ts';
import { chooseRanges, fullCoverageBytes, isSmall, type Range, rowsPerRange } from './ranges.ts';
import { readTableFacts } from './table-facts.ts';
import { isTransactional, readUserTables, type UserTable } from './user-tables.ts';

export type OpenFingerprint = {
  position: MysqlPosition | null;
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
};

const keyOf = (table: { schema: string; table: string }) => JSON.stringify([table.schema, table.table]);

/**
 * Opens a consistent snapshot and reads at once what a snapshot does not keep: position, definitions, accounts, and
 * tables without versions of their rows. When it returns, writers may go on; `finish` reads the rest.
 */
export async function openFingerprint(
  session: Session,
  options: FingerprintOptions,
): Promise<OpenFingerprint> {
  const takenAt = new Date().toISOString();
  await session.run('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
  await session.run('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
  const position = await snapshotPosition(session, options.applied);
  const tables = await readUserTables(session);
  if (options.holdTables) {
    for (const table of tables.filter(isTransactional)) {
      await session.run(`SELECT 1 FROM ${quoteName(table.schema)}.${quoteName(table.table)} LIMIT 0`);
    }
  }
  const schemaSha256 = await schemaHash(session);
  const accountsSha256 = await accountsHash(session);
  const seed = options.like?.seed ?? randomBytes(8).toString('hex');
  const total = tables.reduce((sum, table) => sum + table.bytes, 0);
  const coverage = options.like?.coverage ?? (total <= fullCoverageBytes ? 'full' : 'ranges');
  const large = tables.filter((table) => !isSmall(table)).length;
  const known = new Map(options.like?.tables.map((table) => [keyOf(table), table]));

  const rangesOf = async (table: UserTable): Promise<Range[] | undefined> => {
    if (options.like !== undefined) return known.get(keyOf(table))?.ranges;
    if (coverage === 'full' || table.kind === 'sequence' || isSmall(table)) return undefined;
    return chooseRanges(session, table, seed, rowsPerRange(table, large));
  };
  const facts = new Map<UserTable, TableFingerprint>();
  const read = async (table: UserTable) => {
    facts.set(table, await readTableFacts(session, table, await rangesOf(table)));
  };
  for (const table of tables.filter((t) => !isTransactional(t))) await read(table);

  return {
    position,
    finish: async (onTable = () => {}) => {
      const rest = tables.filter(isTransactional);
      for (const [i, table] of rest.entries()) {
        await read(table);
        onTable(i + 1, rest.length);
      }
      await session.run('COMMIT');
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
