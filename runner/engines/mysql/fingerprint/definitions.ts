import { createHash } from 'node:crypto';
import { quoteName, type Row, type Session } from '../session.ts';
import { isWorkingName } from '../working-names.ts';
import { hasMoved } from './moved.ts';
import { isRemote } from './remote.ts';

/** Schemas of the server itself. */
export const systemSchemas = "('mysql','information_schema','performance_schema','sys')";

/** A table's definition without the counter, which moves with every insert. Only in the line of options: a comment may say the same. */
export function withoutCounter(definition: string): string {
  const options = definition.lastIndexOf('\n) ENGINE=');
  if (options < 0) return definition;
  return (
    definition.slice(0, options) +
    definition.slice(options).replace(/^(\n\) ENGINE=\w+) AUTO_INCREMENT=\d+/, '$1')
  );
}

function hashOf(lines: string[]): string {
  const hash = createHash('sha256');
  for (const line of lines.sort()) hash.update(`${Buffer.byteLength(line)}:${line}`);
  return hash.digest('hex');
}

/** Names and values in one order, so that equal rows are equal text. */
const rowText = (kind: string, row: Row) => `${kind} ${JSON.stringify(Object.entries(row).sort())}`;

/**
 * SHA-256 over the definitions of everything in the users' schemas: databases, tables, sequences, views, triggers,
 * routines and events. What only says when something happened is left out.
 */
export async function schemaHash(session: Session): Promise<string> {
  const lines: string[] = [];
  const add = async (kind: string, sql: string) => {
    for (const row of await session.rows(sql, [], 300)) lines.push(rowText(kind, row));
  };
  await add(
    'database',
    `SELECT ${session.words.databaseColumns}
     FROM information_schema.SCHEMATA WHERE SCHEMA_NAME NOT IN ${systemSchemas}`,
  );
  const tables = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine FROM information_schema.TABLES
     WHERE TABLE_SCHEMA NOT IN ${systemSchemas} AND TABLE_TYPE <> 'TEMPORARY'`,
    [],
    300,
  );
  for (const { db, name, type, engine } of tables) {
    if (type === 'VIEW' || isWorkingName(name ?? '')) continue;
    if (isRemote(engine ?? '')) {
      lines.push(`remote ${JSON.stringify([db, name, engine])}`);
      continue;
    }
    const [row] = await session
      .rows(`SHOW CREATE TABLE ${quoteName(db ?? '')}.${quoteName(name ?? '')}`)
      .catch((error: unknown) => {
        if (hasMoved(error)) return [];
        throw error;
      });
    const definition = row?.['Create Table'] ?? row?.Create ?? Object.values(row ?? {})[1] ?? '';
    lines.push(`table ${JSON.stringify([db, name, withoutCounter(definition)])}`);
  }
  await add(
    'view',
    `SELECT ${session.words.viewColumns} FROM information_schema.VIEWS
     WHERE TABLE_SCHEMA NOT IN ${systemSchemas}`,
  );
  await add(
    'trigger',
    `SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_ORDER, ACTION_STATEMENT,
     ACTION_TIMING, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION
     FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA NOT IN ${systemSchemas}`,
  );
  for (const routines of session.words.routines) await add('routine', routines);
  await add('event', session.words.events);
  return hashOf(lines);
}

/** Fields of an account's JSON that tell of the past, not of what the account may do. */
const volatileFields = new Set(['password_last_changed', 'version_id']);

function accountText(priv: string | null): string {
  try {
    const fields = Object.entries(JSON.parse(priv ?? '{}') as Record<string, unknown>);
    return JSON.stringify(fields.filter(([key]) => !volatileFields.has(key)).sort());
  } catch {
    return priv ?? '';
  }
}

/** SHA-256 over accounts, roles and grants as the server's own tables hold them. */
export async function accountsHash(session: Session): Promise<string> {
  const lines: string[] = [];
  const { tables, volatile } = session.words.accounts;
  for (const { name, select } of tables) {
    for (const row of await session.rows(select)) {
      if (name === 'account') {
        lines.push(`account ${JSON.stringify([row.Host, row.User, accountText(row.Priv ?? null)])}`);
        continue;
      }
      const kept = Object.entries(row).filter(([field]) => !volatile.includes(field));
      lines.push(rowText(name, Object.fromEntries(kept)));
    }
  }
  return hashOf(lines);
}
