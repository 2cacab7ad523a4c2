import { NamedError } from '../../../../../contract/errors/named-error.ts';
import type { Session } from '../../session.ts';
import type { Definition, DefinitionKind } from '../definition.ts';
import { around, definingSession } from '../scripts.ts';

/** Seconds for one definition: an index over 20 GB is sorted within. */
const definitionSeconds = 4 * 3600;

/** How each kind begins. A host that wrote other statements into its backup does not get them run. */
const beginnings: Record<Exclude<DefinitionKind, 'grants'>, RegExp> = {
  database: /^CREATE DATABASE /,
  sequence: /^CREATE TABLE /,
  table: /^CREATE TABLE /,
  rows: /^(?:DELETE FROM|INSERT INTO) mysql\.`/,
  routine: /^CREATE (?:DEFINER=.+? )?(?:AGGREGATE )?(?:PROCEDURE|FUNCTION|PACKAGE(?: BODY)?) /s,
  placeholder: /^CREATE VIEW /,
  view: /^CREATE OR REPLACE (?:ALGORITHM=\S+ )?(?:DEFINER=.+? )?(?:SQL SECURITY \S+ )?VIEW /s,
  trigger: /^CREATE (?:DEFINER=.+? )?TRIGGER /s,
  event: /^CREATE (?:DEFINER=.+? )?EVENT /s,
};

const failed = (definition: Definition, cause: unknown) =>
  new NamedError(
    'Restore.PrepareFailed',
    `${definition.kind} ${definition.schema}.${definition.name} could not be made again: ${(cause as Error).message}`,
    { kind: definition.kind, name: `${definition.schema}.${definition.name}` },
    { cause },
  );

/** Sets a session up for definitions. */
export async function beginDefining(session: Session): Promise<void> {
  for (const sql of definingSession) await session.run(sql);
}

/** Makes one object again, under its own settings. */
export async function runDefinition(session: Session, definition: Definition): Promise<void> {
  const { kind, sql } = definition;
  if (kind === 'grants' || !beginnings[kind].test(sql)) {
    throw failed(definition, new Error(`it begins with ${JSON.stringify(sql.slice(0, 40))}`));
  }
  const { before, after } = around(definition);
  try {
    for (const statement of before) await session.run(statement);
    await session.run(sql, [], definitionSeconds);
    for (const statement of after) await session.run(statement);
  } catch (error) {
    throw error instanceof NamedError ? error : failed(definition, error);
  }
}
