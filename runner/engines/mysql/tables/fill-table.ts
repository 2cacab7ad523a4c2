import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import { tableText } from '../../../../contract/mysql-files/relations.ts';
import type { RestoredTable, Way } from '../../../../contract/records/restore-tables.ts';
import type { EngineContext } from '../../engine.ts';
import type { UserTable } from '../fingerprint/user-tables.ts';
import { splitIndexes } from '../logical/restore/table-indexes.ts';
import type { Session } from '../session.ts';
import { copyRows } from './copy-rows.ts';
import { copyBySpace, type Sums, whyNotOfSpace } from './copy-space.ts';
import type { TableDefinition } from './definition.ts';
import { importSpace } from './import-space.ts';
import type { Live } from './live.ts';
import { readLiveFacts } from './live-facts.ts';
import type { Scratch } from './scratch.ts';
import { besideOf, ddl, inSql, type WorkingTable } from './working-tables.ts';

const countSeconds = 3600;
const indexSeconds = 4 * 3600;
/**
 * Up to this size a table's indexes are made once its rows are there, which takes a third of the time. Making them keeps
 * a replica from everything else for as long as it takes, some seconds for a GiB; of a larger table they grow with the
 * rows.
 */
const indexedLastBytes = 1024 ** 3;

export type Filling = { scratch: Scratch; live: Live; user: string; context: EngineContext };

async function create(live: Live, definition: TableDefinition, working: WorkingTable, sql: string) {
  const { source, counter } = definition;
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

async function countRows(session: Session, table: UserTable): Promise<number> {
  const past = table.kind === 'versioned' ? ' FOR SYSTEM_TIME ALL' : '';
  const [row] = await session.rows(`SELECT COUNT(*) AS n FROM ${inSql(table)}${past}`, [], countSeconds);
  return Number(row?.n ?? 0);
}

/** Copies the rows, and answers their sums where the copy has taken them; told is why they went as text. */
async function copy(
  definition: TableDefinition,
  recorded: TableFingerprint,
  working: WorkingTable,
  { scratch, live, user, context }: Filling,
  onText: (why: string) => void,
): Promise<Sums | undefined> {
  const { source } = definition;
  const table = inSql(working);
  const whole = definition.createAs(working);
  const { create: bare, add } =
    source.kind === 'table' && source.bytes <= indexedLastBytes
      ? splitIndexes({ schema: working.schema, name: working.table, sql: whole })
      : { create: whole, add: undefined };
  await create(live, definition, working, bare);
  let why = whyNotOfSpace(definition);
  let sums: Sums | undefined;
  if (why === undefined) {
    const summed = recorded.ranges === undefined;
    try {
      sums = await copyBySpace({
        ...{ scratch, definition, live, user, summed, context },
        into: working,
        beside: besideOf(working),
      });
    } catch (error) {
      context.signal.throwIfAborted();
      why = (error as Error).message;
      await ddl(live.session, `DROP TABLE ${table}`);
      await create(live, definition, working, bare);
    }
  }
  if (why !== undefined) {
    onText(why);
    const rows = await copyRows({
      scratch: scratch.login,
      from: definition.from,
      columns: definition.columns,
      live: live.session,
      into: table,
      packetBytes: live.packetBytes,
      signal: context.signal,
      onRows: (done) => context.progress('copying rows', done, recorded.rows),
    });
    context.log('rows copied as text', { table: tableText(source), rows, cause: why });
  }
  if (add === undefined) return sums;
  context.progress('adding indexes');
  await ddl(live.session, add, indexSeconds);
  return sums;
}

/** Whether what came to be is what was there; answers the number of rows. */
async function compare(
  definition: TableDefinition,
  recorded: TableFingerprint,
  like: UserTable,
  found: Pick<TableFingerprint, 'rows' | 'checksum'>,
  { scratch, live }: Filling,
): Promise<number> {
  const name = tableText(definition.source);
  if (found.rows !== recorded.rows || found.checksum !== recorded.checksum) {
    throw new NamedError(
      'Restore.FingerprintDiffers',
      `${name} came to be other rows on the live server: ${found.rows} in place of ${recorded.rows}, checksum ${found.checksum} in place of ${recorded.checksum}`,
      { table: name },
    );
  }
  if (recorded.ranges === undefined) return found.rows;
  // Of a large table the facts are those of some ranges only; all its rows are counted at least.
  const [there, rows] = await Promise.all([
    countRows(scratch.session, definition.source),
    countRows(live.session, like),
  ]);
  if (rows === there) return rows;
  throw new NamedError('Restore.FingerprintDiffers', `${name} has ${rows} rows in place of ${there}`, {
    table: name,
  });
}

/** Fills one working table from the scratch instance and compares it with what is there. */
export async function fillTable(
  definition: TableDefinition,
  recorded: TableFingerprint,
  working: WorkingTable,
  way: Way,
  parts: Filling,
): Promise<RestoredTable> {
  const { scratch, live, user, context } = parts;
  const { source, notes } = definition;
  const said: string[] = [];
  let used: Way = way === 'import' && definition.notImported === undefined ? 'import' : 'copy';
  if (way === 'import' && used === 'copy') said.push(`copied, not imported: ${definition.notImported}`);
  let sums: Sums | undefined;
  if (used === 'import') {
    await create(live, definition, working, definition.createAs(working));
    context.progress('importing');
    try {
      await importSpace(scratch, source, { ...live, into: working }, user, context);
    } catch (error) {
      context.signal.throwIfAborted();
      const cause = (error as Error).message;
      said.push(`copied, not imported: ${cause}`);
      context.log('a tablespace is not imported; its rows are copied', { table: tableText(source), cause });
      await ddl(live.session, `DROP TABLE ${inSql(working)}`);
      used = 'copy';
    }
  }
  if (used === 'copy') {
    sums = await copy(definition, recorded, working, parts, (why) => {
      if (way === 'copy') said.push(`rows copied as text, which takes longer: ${why}`);
    });
  }
  context.progress('comparing the restored table');
  const like: UserTable = { ...source, table: working.table };
  const found = sums ?? (await readLiveFacts(live, like, recorded.ranges, context.signal));
  const rows = await compare(definition, recorded, like, found, parts);
  return {
    schema: source.schema,
    table: source.table,
    as: working.as,
    rows,
    way: used,
    notes: [...notes, ...said],
  };
}
