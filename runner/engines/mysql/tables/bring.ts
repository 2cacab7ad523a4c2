import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import { tableKey, tableText } from '../../../../contract/mysql-files/relations.ts';
import type { RestoredTable, RestoreTablesOrder, Way } from '../../../../contract/records/restore-tables.ts';
import type { EngineContext } from '../../engine.ts';
import { readTableFacts } from '../fingerprint/table-facts.ts';
import { readUserTables, type UserTable } from '../fingerprint/user-tables.ts';
import { resolveLogin } from '../login.ts';
import { type Session, withSession } from '../session.ts';
import { copyRows } from './copy-rows.ts';
import { readDefinition, type TableDefinition } from './definition.ts';
import { importSpace } from './import-space.ts';
import { inspectLive } from './live-member.ts';
import type { Scratch } from './scratch.ts';
import { ddl, dropTables, inSql, nameTables, type WorkingTable } from './working-tables.ts';

/** Milliseconds that clearing away may take when the job has been told to end. */
const dropMs = 120_000;

type Live = { session: Session; datadir: string; packetBytes: number };

/** Nothing that the restored rows were not checked for when they were written the first time is checked now. */
const asStored =
  "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', check_constraint_checks=0, foreign_key_checks=0";

async function create(live: Live, { source, create: sql, counter }: TableDefinition, working: WorkingTable) {
  await ddl(live.session, sql);
  if (counter !== null)
    await ddl(live.session, `ALTER TABLE ${inSql(working)} AUTO_INCREMENT=${BigInt(counter)}`);
  if (source.kind === 'versioned') {
    await live.session.run('SET SESSION system_versioning_insert_history=1').catch((error: Error) => {
      throw new NamedError(
        'Restore.TableUnfit',
        `tables: the past rows of ${tableText(source)} cannot be written on this server (${error.message}); MariaDB 10.11 is the first that takes them`,
        { table: tableText(source) },
        { cause: error },
      );
    });
  }
}

const countSeconds = 3600;

async function countRows(session: Session, table: UserTable): Promise<number> {
  const past = table.kind === 'versioned' ? ' FOR SYSTEM_TIME ALL' : '';
  const [row] = await session.rows(`SELECT COUNT(*) AS n FROM ${inSql(table)}${past}`, [], countSeconds);
  return Number(row?.n ?? 0);
}

/** Fills one working table from the scratch instance and compares it with what is there. */
async function fill(
  definition: TableDefinition,
  recorded: TableFingerprint,
  working: WorkingTable,
  way: Way,
  parts: { scratch: Scratch; live: Live; user: string; context: EngineContext },
): Promise<RestoredTable> {
  const { scratch, live, user, context } = parts;
  const { source, notes } = definition;
  const name = tableText(source);
  let why = way === 'import' ? definition.notImported : undefined;
  let used: Way = way === 'import' && why === undefined ? 'import' : 'copy';
  await create(live, definition, working);
  if (used === 'import') {
    context.progress('importing');
    try {
      await importSpace(scratch, source, { ...live, into: working }, user, context);
    } catch (error) {
      context.signal.throwIfAborted();
      why = (error as Error).message;
      context.log('a tablespace is not imported; its rows are copied', { table: name, cause: why });
      await ddl(live.session, `DROP TABLE ${inSql(working)}`);
      await create(live, definition, working);
      used = 'copy';
    }
  }
  if (used === 'copy') {
    const rows = await copyRows({
      scratch: scratch.login,
      from: definition.from,
      columns: definition.columns,
      live: live.session,
      into: inSql(working),
      packetBytes: live.packetBytes,
      signal: context.signal,
      onRows: (done) => context.progress('copying rows', done, recorded.rows),
    });
    context.log('rows copied', { table: name, rows });
  }
  context.progress('comparing the restored table');
  const like: UserTable = { ...source, table: working.table };
  const found = await readTableFacts(live.session, like, recorded.ranges);
  if (found.rows !== recorded.rows || found.checksum !== recorded.checksum) {
    throw new NamedError(
      'Restore.FingerprintDiffers',
      `${name} came to be other rows on the live server: ${found.rows} in place of ${recorded.rows}, checksum ${found.checksum} in place of ${recorded.checksum}`,
      { table: name },
    );
  }
  // Of a large table the facts are those of some ranges only; all its rows are counted at least.
  let { rows } = found;
  if (recorded.ranges !== undefined) {
    const there = await countRows(scratch.session, definition.source);
    rows = await countRows(live.session, like);
    if (rows !== there) {
      throw new NamedError('Restore.FingerprintDiffers', `${name} has ${rows} rows in place of ${there}`, {
        table: name,
      });
    }
  }
  return {
    schema: source.schema,
    table: source.table,
    as: working.as,
    rows,
    way: used,
    notes: [...notes, ...(why === undefined ? [] : [`copied, not imported: ${why}`])],
  };
}

/**
 * Brings the proven tables of the scratch instance beside those of the live member. They are filled under working names
 * and get their own all at once, in the end; whatever breaks, unfinished ones are dropped. The live tables are not
 * touched.
 * @param onLeft told where an unfinished table could not be dropped
 */
export async function bringTables(
  order: RestoreTablesOrder,
  working: readonly WorkingTable[],
  proven: readonly TableFingerprint[],
  scratch: Scratch,
  context: EngineContext,
  onLeft: () => void,
): Promise<RestoredTable[]> {
  const { member, target } = order;
  const login = await resolveLogin(member, context);
  return withSession(login, context.signal, async (session) => {
    const { facts, way, refusals } = await inspectLive(session, member, order.tables);
    const [first] = refusals;
    if (first !== undefined) throw new NamedError(first.name, refusals.map((r) => r.cause).join('. '));
    await session.run(asStored);
    const packetBytes = Number(facts.variables.max_allowed_packet ?? 16_777_216);
    const live: Live = { session, datadir: facts.datadir, packetBytes };
    const sources = new Map((await readUserTables(scratch.session)).map((table) => [tableKey(table), table]));
    const recorded = new Map(proven.map((table) => [tableKey(table), table]));
    try {
      const restored: RestoredTable[] = [];
      for (const [i, wanted] of order.tables.entries()) {
        context.signal.throwIfAborted();
        const own = working[i]!;
        const definition = await readDefinition(scratch.session, sources.get(tableKey(wanted))!, own);
        const parts = { scratch, live, user: target.user, context };
        restored.push(await fill(definition, recorded.get(tableKey(wanted))!, own, way, parts));
      }
      context.signal.throwIfAborted();
      context.progress('naming the tables');
      await nameTables(session, login, working, context.signal);
      return restored;
    } catch (error) {
      const ended = AbortSignal.timeout(dropMs);
      await dropTables(login, working, ended).catch((cause: Error) => {
        onLeft();
        if (!(error instanceof Error)) return;
        error.message += `; and ${working.map(tableText).join(', ')} could not be dropped (${cause.message}): the next job on this host tries again`;
      });
      throw error;
    }
  });
}
