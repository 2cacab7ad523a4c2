import { quoteName } from '../session.ts';
import type { Definition } from './definition.ts';
import type { TableRef } from './dump-files.ts';

const quoteText = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;

/** Settings of the session that makes definitions again; each statement's own come before it. */
export const definingSession = [
  'SET NAMES utf8mb4',
  "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00', foreign_key_checks=0, unique_checks=0",
];

/** Settings of a session that loads rows: strings are the columns' own bytes, and nothing is checked or made up. */
export const loadingSession = [
  'SET NAMES binary',
  "SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO', time_zone='+00:00', foreign_key_checks=0, unique_checks=0",
];

/** MariaDB checks rows against CHECK constraints that may be younger than they. */
export const looseChecks = 'SET SESSION check_constraint_checks=0';

/** What is set before a definition's statement, and what after it. */
export function around(definition: Definition): { before: string[]; after: string[] } {
  const before: string[] = [];
  const after: string[] = [];
  const { schema, characterSet, collation, sqlMode, timeZone, timestamp, schemaCollation } = definition;
  if (definition.kind !== 'database' && schema !== '') before.push(`USE ${quoteName(schema)}`);
  if (schemaCollation !== undefined) {
    before.push(`ALTER DATABASE ${quoteName(schema)} COLLATE ${schemaCollation.former}`);
    after.push(`ALTER DATABASE ${quoteName(schema)} COLLATE ${schemaCollation.present}`);
  }
  if (characterSet !== undefined) {
    before.push(`SET character_set_client=${characterSet}, collation_connection=${collation}`);
    after.push('SET NAMES utf8mb4');
  }
  if (sqlMode !== undefined) {
    before.push(`SET SESSION sql_mode=${quoteText(sqlMode)}`);
    after.push("SET SESSION sql_mode='NO_AUTO_VALUE_ON_ZERO'");
  }
  if (timeZone !== undefined) {
    before.push(`SET SESSION time_zone=${quoteText(timeZone)}`);
    after.push("SET SESSION time_zone='+00:00'");
  }
  if (timestamp !== undefined) {
    before.push(`SET SESSION timestamp=${timestamp}`);
    after.push('SET SESSION timestamp=DEFAULT');
  }
  return { before, after };
}

/** A delimiter that stands in none of the statements. */
function delimiterFor(statements: readonly string[]): string {
  for (let n = 0; ; n++) {
    const delimiter = `$$${n === 0 ? '' : n}`;
    if (statements.every((sql) => !sql.includes(delimiter))) return delimiter;
  }
}

/** Definitions as a script for the client `mariadb` or `mysql`. */
export function definitionScript(definitions: readonly Definition[]): Buffer {
  const statements = definitions.flatMap((definition) => {
    const { before, after } = around(definition);
    return [...before, definition.sql, ...after];
  });
  const delimiter = delimiterFor(statements);
  return Buffer.from(
    [
      `DELIMITER ${delimiter}`,
      ...[...definingSession, ...statements].map((sql) => `${sql}\n${delimiter}`),
      'DELIMITER ;',
      '',
    ].join('\n'),
  );
}

/** A script for the client that reads each file of rows into its schema; to be run where the archive was unpacked. */
export function rowsScript(
  files: readonly ({ path: string } & TableRef)[],
  flavour: 'mariadb' | 'mysql',
): Buffer {
  return Buffer.from(
    [
      ...loadingSession.map((sql) => `${sql};`),
      ...(flavour === 'mariadb' ? [`${looseChecks};`] : []),
      ...files.flatMap(({ path, schema }) => [`USE ${quoteName(schema)};`, `source ${path}`]),
      '',
    ].join('\n'),
  );
}
