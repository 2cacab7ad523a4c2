import { NamedError } from '../../../../contract/errors/named-error.ts';
import { systemSchemas } from '../fingerprint/definitions.ts';
import { quoteName, type Row, type Session } from '../session.ts';
import type { Definition } from './definition.ts';
import type { TableRef } from './dump-files.ts';
import { withoutInheritedCollations } from './inherited-collation.ts';

const users = (column: string) => `${column} NOT IN ${systemSchemas}`;
const named = (schema: string, name: string) => `${quoteName(schema)}.${quoteName(name)}`;

async function show(session: Session, what: string, schema: string, name: string): Promise<Row> {
  const [row] = await session.rows(`SHOW CREATE ${what} ${named(schema, name)}`);
  if (row !== undefined) return row;
  throw new NamedError('Backup.Failed', `SHOW CREATE ${what} ${named(schema, name)} answered nothing`, {
    name: named(schema, name),
  });
}

/** The statement in a row of SHOW CREATE; null where the account may not see it. */
function statement(row: Row, column: string, what: string): string {
  const sql = row[column];
  if (sql != null && sql !== '') return sql;
  throw new NamedError(
    'Backup.Failed',
    `the account may not read the definition of ${what}: grant SELECT, SHOW VIEW, TRIGGER and EVENT ON *.*`,
    { object: what },
  );
}

type Schemas = Map<string, string>;

/** Settings that SHOW CREATE tells of a routine, trigger or event. */
function settings(row: Row, schema: string, collations: Schemas) {
  const former = row['Database Collation'] ?? '';
  const present = collations.get(schema) ?? '';
  return {
    sqlMode: row.sql_mode ?? '',
    characterSet: row.character_set_client ?? 'utf8mb4',
    collation: row.collation_connection ?? 'utf8mb4_general_ci',
    ...(former === '' || present === '' || former === present
      ? {}
      : { schemaCollation: { former, present } }),
  };
}

/** Databases, then sequences and tables, as they are made; the latter with their counters. */
export async function readTableDefinitions(
  session: Session,
): Promise<{ definitions: Definition[]; tables: TableRef[]; schemas: Schemas }> {
  const definitions: Definition[] = [];
  const schemas: Schemas = new Map();
  for (const row of await session.rows(
    `SELECT SCHEMA_NAME AS name, DEFAULT_COLLATION_NAME AS collation FROM information_schema.SCHEMATA
     WHERE ${users('SCHEMA_NAME')} ORDER BY SCHEMA_NAME`,
  )) {
    const name = row.name ?? '';
    schemas.set(name, row.collation ?? '');
    const [created] = await session.rows(`SHOW CREATE DATABASE ${quoteName(name)}`);
    const sql = statement(created ?? {}, 'Create Database', `database ${name}`);
    definitions.push({ kind: 'database', schema: name, name, sql });
  }
  const found = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS type FROM information_schema.TABLES
     WHERE ${users('TABLE_SCHEMA')} AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED','SEQUENCE')
     ORDER BY TABLE_TYPE = 'SEQUENCE' DESC, TABLE_SCHEMA, TABLE_NAME`,
    [],
    300,
  );
  for (const { db, name, type } of found) {
    const row = await show(session, 'TABLE', db ?? '', name ?? '');
    const sql = statement(row, 'Create Table', `table ${db}.${name}`);
    definitions.push({
      kind: type === 'SEQUENCE' ? 'sequence' : 'table',
      schema: db ?? '',
      name: name ?? '',
      sql: session.words.family === 'mysql' ? withoutInheritedCollations(sql) : sql,
    });
  }
  const tables = found.map((row) => ({ schema: row.db ?? '', table: row.name ?? '' }));
  return { definitions, tables, schemas };
}

async function readRoutines(session: Session, schemas: Schemas): Promise<Definition[]> {
  const routines: Definition[] = [];
  for (const row of await session.rows(
    `SELECT ROUTINE_SCHEMA AS db, ROUTINE_NAME AS name, ROUTINE_TYPE AS type FROM information_schema.ROUTINES
     WHERE ${users('ROUTINE_SCHEMA')} ORDER BY ROUTINE_SCHEMA, ROUTINE_TYPE, ROUTINE_NAME`,
  )) {
    const [schema, name, type] = [row.db ?? '', row.name ?? '', row.type ?? ''];
    const created = await show(session, type, schema, name);
    // `Create Procedure`, `Create Function`, `Create Package`, `Create Package Body`
    const column = Object.keys(created).find((key) => key.startsWith('Create ')) ?? '';
    routines.push({
      kind: 'routine',
      schema,
      name,
      sql: statement(created, column, `${type.toLowerCase()} ${schema}.${name}`),
      ...settings(created, schema, schemas),
    });
  }
  return routines;
}

/** Each view twice: first one of the same columns that needs nothing, so that their order does not matter. */
async function readViews(session: Session): Promise<Definition[]> {
  const placeholders: Definition[] = [];
  const views: Definition[] = [];
  for (const row of await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.VIEWS
     WHERE ${users('TABLE_SCHEMA')} ORDER BY TABLE_SCHEMA, TABLE_NAME`,
  )) {
    const [schema, name] = [row.db ?? '', row.name ?? ''];
    const columns = await session.rows(
      `SELECT COLUMN_NAME AS col FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?
       ORDER BY ORDINAL_POSITION`,
      [schema, name],
    );
    const created = await show(session, 'VIEW', schema, name);
    const sql = statement(created, 'Create View', `view ${schema}.${name}`);
    const list = columns.map(({ col }) => `1 AS ${quoteName(col ?? '')}`).join(', ');
    placeholders.push({
      kind: 'placeholder',
      schema,
      name,
      sql: `CREATE VIEW ${named(schema, name)} AS SELECT ${list}`,
    });
    views.push({
      kind: 'view',
      schema,
      name,
      sql: sql.replace(/^CREATE /, 'CREATE OR REPLACE '),
      characterSet: created.character_set_client ?? 'utf8mb4',
      collation: created.collation_connection ?? 'utf8mb4_general_ci',
    });
  }
  return [...placeholders, ...views];
}

/** Those of one table and moment in the order in which they fire. */
async function readTriggers(session: Session, schemas: Schemas): Promise<Definition[]> {
  const triggers: Definition[] = [];
  for (const row of await session.rows(
    `SELECT TRIGGER_SCHEMA AS db, TRIGGER_NAME AS name FROM information_schema.TRIGGERS
     WHERE ${users('TRIGGER_SCHEMA')}
     ORDER BY TRIGGER_SCHEMA, EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER`,
    [],
    300,
  )) {
    const [schema, name] = [row.db ?? '', row.name ?? ''];
    const created = await show(session, 'TRIGGER', schema, name);
    const sql = statement(created, 'SQL Original Statement', `trigger ${schema}.${name}`);
    triggers.push({ kind: 'trigger', schema, name, sql, ...settings(created, schema, schemas) });
  }
  return triggers;
}

async function readEvents(session: Session, schemas: Schemas): Promise<Definition[]> {
  const events: Definition[] = [];
  for (const row of await session.rows(
    `SELECT EVENT_SCHEMA AS db, EVENT_NAME AS name, UNIX_TIMESTAMP(LAST_ALTERED) AS altered
     FROM information_schema.EVENTS
     WHERE ${users('EVENT_SCHEMA')} ORDER BY EVENT_SCHEMA, EVENT_NAME`,
  )) {
    const [schema, name] = [row.db ?? '', row.name ?? ''];
    const created = await show(session, 'EVENT', schema, name);
    events.push({
      kind: 'event',
      schema,
      name,
      sql: statement(created, 'Create Event', `event ${schema}.${name}`),
      ...settings(created, schema, schemas),
      timeZone: created.time_zone ?? 'SYSTEM',
      timestamp: Math.floor(Number(row.altered ?? 0)),
    });
  }
  return events;
}

/** Routines, views, triggers and events, in the order in which they can be made again. */
export async function readCodeDefinitions(session: Session, schemas: Schemas): Promise<Definition[]> {
  return [
    ...(await readRoutines(session, schemas)),
    ...(await readViews(session)),
    ...(await readTriggers(session, schemas)),
    ...(await readEvents(session, schemas)),
  ];
}
