import type { Manifest } from '../../../../contract/formats/manifest.ts';
import { quoteName, type Session } from '../session.ts';
import type { Definition } from './definition.ts';

/**
 * The server's own tables of which a restored server needs the rows: accounts, roles and grants; functions and plugins
 * that are loaded from libraries; other servers; time zones.
 */
const carried = [
  'global_priv',
  'user',
  'db',
  'tables_priv',
  'columns_priv',
  'procs_priv',
  'proxies_priv',
  'roles_mapping',
  'role_edges',
  'default_roles',
  'global_grants',
  'password_history',
  'func',
  'plugin',
  'servers',
  'time_zone',
  'time_zone_name',
  'time_zone_transition',
  'time_zone_transition_type',
  'time_zone_leap_second',
];

/** What the manifest names of accounts; `where` they lie in the backup. */
export async function readAccountNames(
  session: Session,
  where: string,
): Promise<NonNullable<Manifest['server']['accounts']>> {
  const table = session.words.family === 'mariadb' ? 'global_priv' : 'user';
  const quoted = (text: string | null | undefined) => `'${(text ?? '').replaceAll("'", "''")}'`;
  const accounts = await session.rows(
    `SELECT User AS user, Host AS host FROM mysql.${table} ORDER BY User, Host`,
  );
  const functions = await session.rows('SELECT name, dl FROM mysql.func ORDER BY name');
  return {
    in: where,
    names: accounts.map(({ user, host }) => (host === '' ? quoted(user) : `${quoted(user)}@${quoted(host)}`)),
    functions: functions.map(({ name, dl }) => `${name} of ${dl}`),
  };
}

const numeric = /^(?:tiny|small|medium|big)?int$|^(?:decimal|float|double|year)$/;
/** Rows of one statement: those of time zones are 130,000 of some 30 bytes. */
const rowsPerStatement = 1000;

async function rowsOf(session: Session, table: string): Promise<Definition[]> {
  const columns = await session.rows(
    `SELECT COLUMN_NAME AS name, DATA_TYPE AS type FROM information_schema.COLUMNS
     WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = ? AND EXTRA NOT LIKE '%GENERATED%' ORDER BY ORDINAL_POSITION`,
    [table],
  );
  // Bytes as they are, whatever they are in: a password's hash is no text.
  const read = columns.map(({ name, type }, i) => {
    const column = quoteName(name ?? '');
    const kind = (type ?? '').toLowerCase();
    if (numeric.test(kind)) return `${column} AS c${i}`;
    const bytes = `CONCAT('X''', HEX(${column}), '''')`;
    return `${kind === 'json' ? `CONCAT('CONVERT(', ${bytes}, ' USING utf8mb4)')` : bytes} AS c${i}`;
  });
  const rows = await session.rows(`SELECT ${read.join(', ')} FROM mysql.${quoteName(table)}`, [], 300);
  const values = rows.map((row) => `(${columns.map((_, i) => row[`c${i}`] ?? 'NULL').join(',')})`);
  const into = `INSERT INTO mysql.${quoteName(table)} (${columns.map(({ name }) => quoteName(name ?? '')).join(',')}) VALUES`;
  const statements = [`DELETE FROM mysql.${quoteName(table)}`];
  for (let at = 0; at < values.length; at += rowsPerStatement) {
    statements.push(`${into}\n${values.slice(at, at + rowsPerStatement).join(',\n')}`);
  }
  return statements.map((sql) => ({ kind: 'rows', schema: 'mysql', name: table, sql }));
}

/** Rows of the server's own tables as statements that put them in place of those of a new server of the same series. */
export async function readSystemRows(session: Session): Promise<Definition[]> {
  const there = await session.rows(
    `SELECT TABLE_NAME AS name FROM information_schema.TABLES
     WHERE TABLE_SCHEMA = 'mysql' AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME IN (${carried.map(() => '?').join(',')})`,
    carried,
  );
  const names = new Set(there.map((row) => (row.name ?? '').toLowerCase()));
  const definitions: Definition[] = [];
  for (const table of carried) {
    if (names.has(table)) definitions.push(...(await rowsOf(session, table)));
  }
  return definitions;
}

const account = (user: string, host: string) =>
  host === '' ? quoteName(user) : `${quoteName(user)}@${quoteName(host)}`;

/** Accounts of the server's own that every server has. */
const ownAccounts = new Set(['mysql.sys', 'mysql.session', 'mysql.infoschema', 'mariadb.sys']);

/** Accounts, roles and grants as statements of SHOW CREATE USER and SHOW GRANTS: what a server of another series takes. */
export async function readGrants(session: Session, flavour: 'mariadb' | 'mysql'): Promise<Definition[]> {
  const accounts = await session.rows(
    flavour === 'mariadb'
      ? "SELECT User AS user, Host AS host, COALESCE(JSON_VALUE(Priv, '$.is_role'), '0') IN ('1', 'true') AS role FROM mysql.global_priv"
      : 'SELECT User AS user, Host AS host, 0 AS role FROM mysql.user',
  );
  // Hashes of MySQL hold bytes that are no text.
  if (flavour === 'mysql') await session.run('SET SESSION print_identified_with_as_hex=ON');
  const made: Definition[] = [];
  const granted: Definition[] = [];
  for (const row of accounts) {
    const name = account(row.user ?? '', row.host ?? '');
    const of = (sql: string): Definition => ({ kind: 'grants', schema: '', name, sql });
    if (ownAccounts.has(row.user ?? '')) continue;
    if (row.role !== '1') {
      const [created] = await session.rows(`SHOW CREATE USER ${name}`);
      const sql = Object.values(created ?? {})[0] ?? '';
      made.push(of(sql.replace(/^CREATE USER /, 'CREATE USER IF NOT EXISTS ')));
    } else if (row.user !== 'PUBLIC') made.push(of(`CREATE ROLE IF NOT EXISTS ${name}`));
    for (const grant of await session.rows(`SHOW GRANTS FOR ${row.user === 'PUBLIC' ? 'PUBLIC' : name}`)) {
      granted.push(of(Object.values(grant)[0] ?? ''));
    }
  }
  const needsRoles = ({ sql }: Definition) => sql.includes(' DEFAULT ROLE ');
  made.sort((a, b) => Number(needsRoles(a)) - Number(needsRoles(b)));
  return [...made, ...granted.filter(({ sql }) => sql !== '')];
}
