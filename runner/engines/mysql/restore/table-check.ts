import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { TableName } from '../../../../contract/mysql-files/relations.ts';
import type { Log } from '../../engine.ts';
import { isRemote } from '../fingerprint/remote.ts';
import { quoteName, type Row, type Session } from '../session.ts';
import { isWorkingName } from '../working-names.ts';

/** Seconds for one table: its indexes are read. */
const checkSeconds = 3600;

/**
 * What CHECK TABLE's rows say is wrong; undefined where the table is sound. The statement itself never fails, and
 * neither do the programs around it (F73).
 */
export function checkFault(rows: readonly Row[]): string | undefined {
  const errors = rows.filter((row) => /^error$/i.test(row.Msg_type ?? ''));
  if (errors.length > 0) return errors.map((row) => row.Msg_text ?? '').join('; ');
  const last = rows.at(-1);
  if (last === undefined) return 'CHECK TABLE said nothing';
  const text = last.Msg_text ?? '';
  const sound =
    (last.Msg_type === 'status' && (text === 'OK' || text === 'Table is already up to date')) ||
    (last.Msg_type === 'note' && /doesn't support check/.test(text));
  return sound ? undefined : text;
}

/**
 * Tables of InnoDB's own dictionary, those behind FULLTEXT too, whose file is not there. Prepare is silent about a
 * missing file that no redo is for, and no .frm leads to FULLTEXT's (M19).
 * @param datadir where the server's files lie
 */
export async function tablesWithoutFile(session: Session, datadir: string): Promise<string[]> {
  const rows = await session.rows(session.words.tables.withOwnFile, [], 600);
  // Names are those of the files.
  return rows
    .map((row) => row.name ?? '')
    .filter((name) => name.includes('/') && !isWorkingName(name.split('/')[1] ?? ''))
    .filter((name) => !existsSync(join(datadir, `${name}.ibd`)));
}

/**
 * Opens every table of the server, also its own, and reads a row; checks the indexes too where `thorough`. A table
 * whose file is elsewhere or missing starts no error until it is opened (M18, M19).
 * @param isThere whether a table is looked at; others are known to the server and left out on purpose
 */
export async function checkTables(
  session: Session,
  thorough: boolean,
  log: Log,
  onTable: (done: number, of: number) => void,
  isThere: (table: TableName) => boolean = () => true,
): Promise<number> {
  const all = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES
     WHERE TABLE_SCHEMA NOT IN ('information_schema','performance_schema')
     AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE')
     ORDER BY TABLE_SCHEMA, TABLE_NAME`,
    [],
    600,
  );
  const tables = all.filter(
    ({ db, name }) => isThere({ schema: db ?? '', table: name ?? '' }) && !isWorkingName(name ?? ''),
  );
  const faults: string[] = [];
  for (const [i, { db, name, engine }] of tables.entries()) {
    const table = `${quoteName(db ?? '')}.${quoteName(name ?? '')}`;
    let fault: string | undefined;
    try {
      if (engine == null) fault = 'its definition cannot be read, or its storage engine is not on this host';
      else if (!isRemote(engine)) {
        await session.rows(`SELECT 1 FROM ${table} LIMIT 1`);
        if (thorough)
          fault = checkFault(await session.rows(`CHECK TABLE ${table} FAST QUICK`, [], checkSeconds));
      }
    } catch (error) {
      if ((error as { errno?: number }).errno === undefined) throw error;
      fault = (error as Error).message;
    }
    if (fault !== undefined) {
      log('a table cannot be read', { table, cause: fault });
      faults.push(`${table}: ${fault}`);
    }
    onTable(i + 1, tables.length);
  }
  if (faults.length > 0) {
    throw new NamedError('Restore.TableUnreadable', faults.slice(0, 20).join('; ').slice(0, 3500), {
      tables: faults.length,
    });
  }
  return tables.length;
}
