import { roleOf } from '../eligibility.ts';
import { systemSchemas } from '../fingerprint/definitions.ts';
import type { ServerFacts } from '../server-facts.ts';
import { quoteName, type Session } from '../session.ts';
import { versionIn } from '../versions.ts';
import type { LogicalFacts } from './refusals.ts';

const users = (column: string) => `${column} NOT IN ${systemSchemas}`;

/** Names of one query's rows, `schema.object`. */
async function names(session: Session, sql: string): Promise<string[]> {
  return (await session.rows(sql, [], 300)).map((row) => Object.values(row).join('.'));
}

/** A view that names what is not there is still shown, with a warning. */
async function brokenViews(session: Session): Promise<string[]> {
  const broken: string[] = [];
  const views = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.VIEWS WHERE ${users('TABLE_SCHEMA')}`,
    [],
    300,
  );
  for (const { db, name } of views) {
    await session.rows(`SHOW CREATE VIEW ${quoteName(db ?? '')}.${quoteName(name ?? '')}`);
    const warnings = await session.rows('SHOW WARNINGS');
    if (warnings.some((warning) => warning.Code === '1356')) broken.push(`${db}.${name}`);
  }
  return broken;
}

/** Bytes and characters of a text in utf8 differ where it holds more than ASCII. */
const beyondAscii = (column: string) =>
  `CHARACTER_SET_CLIENT NOT LIKE 'utf8%' AND LENGTH(${column}) <> CHAR_LENGTH(${column})`;

/** Reads what decides whether a dump of this server would be whole. */
export async function readLogicalFacts(
  session: Session,
  server: ServerFacts,
  rest: { toolVersion: string | null; grants: readonly string[]; outsideDatadir: readonly string[] },
): Promise<LogicalFacts> {
  const columns = (condition: string) =>
    names(
      session,
      `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, COLUMN_NAME AS col FROM information_schema.COLUMNS
       JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME)
       WHERE TABLE_TYPE <> 'VIEW' AND ${users('TABLE_SCHEMA')} AND ${condition}`,
    );
  const made = "EXTRA NOT LIKE '%VIRTUAL GENERATED%' AND EXTRA NOT LIKE '%STORED GENERATED%'";
  const tables = await session.rows(
    `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name, TABLE_TYPE AS type, ENGINE AS engine FROM information_schema.TABLES
     WHERE ${users('TABLE_SCHEMA')} AND TABLE_TYPE NOT IN ('VIEW','TEMPORARY')`,
    [],
    300,
  );
  return {
    flavour: session.words.family,
    serverVersion: versionIn(server.version) ?? server.version,
    role: roleOf(server),
    sqlMode: server.variables.sql_mode ?? '',
    ...rest,
    tables: tables.map((row) => ({
      schema: row.db ?? '',
      table: row.name ?? '',
      type: row.type ?? '',
      engine: row.engine ?? '',
    })),
    schemas: await names(
      session,
      `SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE ${users('SCHEMA_NAME')}`,
    ),
    floatColumns: await columns(`DATA_TYPE = 'float' AND ${made}`),
    invisibleColumns: await columns(`EXTRA LIKE '%INVISIBLE%' AND ${made}`),
    backtickColumns: await columns(`COLUMN_NAME LIKE '%\`%' AND ${made}`),
    defaultGenerated: await columns("EXTRA LIKE '%DEFAULT_GENERATED%'"),
    vectorColumns: await columns("DATA_TYPE = 'vector'"),
    addressColumns: await columns("DATA_TYPE IN ('uuid','inet4','inet6')"),
    sharedSpace:
      session.words.family === 'mysql'
        ? await names(
            session,
            "SELECT NAME AS name FROM information_schema.INNODB_TABLES WHERE SPACE_TYPE = 'General' AND NAME NOT LIKE 'mysql/%'",
          )
        : [],
    brokenViews: await brokenViews(session),
    otherLetters: [
      ...(await names(
        session,
        `SELECT ROUTINE_SCHEMA AS db, ROUTINE_NAME AS name FROM information_schema.ROUTINES
         WHERE ${users('ROUTINE_SCHEMA')} AND ${beyondAscii('ROUTINE_DEFINITION')}`,
      )),
      ...(await names(
        session,
        `SELECT TRIGGER_SCHEMA AS db, TRIGGER_NAME AS name FROM information_schema.TRIGGERS
         WHERE ${users('TRIGGER_SCHEMA')} AND ${beyondAscii('ACTION_STATEMENT')}`,
      )),
      ...(await names(
        session,
        `SELECT EVENT_SCHEMA AS db, EVENT_NAME AS name FROM information_schema.EVENTS
         WHERE ${users('EVENT_SCHEMA')} AND ${beyondAscii('EVENT_DEFINITION')}`,
      )),
      ...(await names(
        session,
        `SELECT TABLE_SCHEMA AS db, TABLE_NAME AS name FROM information_schema.VIEWS
         WHERE ${users('TABLE_SCHEMA')} AND ${beyondAscii('VIEW_DEFINITION')}`,
      )),
    ],
  };
}
