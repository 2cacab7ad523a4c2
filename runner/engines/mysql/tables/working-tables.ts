import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { type TableName, tableText } from '../../../../contract/mysql-files/relations.ts';
import type { Login } from '../login.ts';
import { quoteName, type Session, withSession } from '../session.ts';
import { spaceName } from '../working-names.ts';
import { withoutLog } from './live.ts';

/** A table of the wanted definition under the name that it is filled with. */
export type WorkingTable = TableName & { as: string };

/** The table that its rows are read of where they are copied on the live server; in no log. */
export const besideOf = ({ schema, table }: TableName): TableName => ({ schema, table: spaceName(table) });

export const inSql = ({ schema, table }: TableName) => `${quoteName(schema)}.${quoteName(table)}`;

/** ER_LOCK_WAIT_TIMEOUT: a backup or other DDL is at work. */
export const lockWait = 1205;
const ddlMinutes = 30;
const ddlSeconds = 600;

/** Runs DDL, again where a backup's lock was in its way: each try queues for the session's short lock limit only. */
export async function ddl(session: Session, sql: string, seconds = ddlSeconds): Promise<void> {
  const until = performance.now() + ddlMinutes * 60_000;
  for (;;) {
    try {
      return await session.run(sql, [], seconds);
    } catch (error) {
      if ((error as { errno?: number }).errno !== lockWait || performance.now() > until) throw error;
      await sleep(1000);
    }
  }
}

/** Drops unfinished tables, in the log too where there is one, so that nothing of them stays anywhere. */
export async function dropTables(
  login: Login,
  tables: readonly TableName[],
  signal: AbortSignal,
): Promise<void> {
  if (tables.length === 0) return;
  await withSession(login, signal, (session) =>
    ddl(session, `DROP TABLE IF EXISTS ${tables.map(inSql).join(',')}`),
  );
}

/** Drops tables that are in no log, from no log; asks for nothing where there are none. */
export async function dropUnlogged(
  login: Login,
  tables: readonly TableName[],
  signal: AbortSignal,
): Promise<void> {
  const there = await withSession(login, signal, async (session) => {
    const found: TableName[] = [];
    for (const table of tables) if (await exists(session, table)) found.push(table);
    return found;
  });
  if (there.length === 0) return;
  await withoutLog(login, signal, (session) =>
    ddl(session, `DROP TABLE IF EXISTS ${there.map(inSql).join(',')}`),
  );
}

/**
 * Removes the files that were laid beside a discarded tablespace of these tables and not imported: MySQL leaves them when
 * it drops the table, MariaDB does not. The names are ours alone.
 */
export async function removeSpaceFiles(
  login: Login,
  datadir: string,
  tables: readonly TableName[],
  signal: AbortSignal,
): Promise<void> {
  const gone = await withSession(login, signal, async (session) => {
    const found: TableName[] = [];
    for (const table of tables) if (!(await exists(session, table))) found.push(table);
    return found;
  });
  const names = await readdir(datadir).catch(() => []);
  for (const { table } of gone) {
    if (!/^holdfast_[0-9a-z_]+$/.test(table)) continue;
    for (const name of names) {
      for (const extension of ['ibd', 'cfg']) {
        await rm(join(datadir, name, `${table}.${extension}`), { force: true }).catch(() => undefined);
      }
    }
  }
}

const exists = async (session: Session, { schema, table }: TableName) =>
  (
    await session.rows(
      'SELECT 1 AS one FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
      [schema, table],
    )
  ).length > 0;

/**
 * Gives all working tables their names in one statement: all of them, or none. Where its answer is lost, what is
 * there says how it went.
 */
export async function nameTables(
  session: Session,
  login: Login,
  tables: readonly WorkingTable[],
  signal: AbortSignal,
): Promise<void> {
  const pairs = tables.map((of) => `${inSql(of)} TO ${inSql({ schema: of.schema, table: of.as })}`);
  try {
    await ddl(session, `RENAME TABLE ${pairs.join(', ')}`);
  } catch (error) {
    const { errno } = error as { errno?: number };
    if (errno === 1050) {
      throw new NamedError(
        'Restore.TableExists',
        `${(error as Error).message}; one of ${tables.map(({ schema, as }) => tableText({ schema, table: as })).join(', ')} came to be there meanwhile`,
        {},
        { cause: error },
      );
    }
    if (errno !== undefined) throw error;
    const named = await withSession(login, signal, async (again) => {
      for (const of of tables) {
        if ((await exists(again, of)) || !(await exists(again, { schema: of.schema, table: of.as })))
          return false;
      }
      return true;
    });
    if (!named) throw error;
  }
}
