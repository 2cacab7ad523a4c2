import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ErrorName } from '../../../../contract/errors/names.ts';
import { tableText } from '../../../../contract/mysql-files/relations.ts';
import type { Member } from '../../../../contract/records/cluster.ts';
import type { TablesInspection, WantedTable, Way } from '../../../../contract/records/restore-tables.ts';
import type { RestoreTarget } from '../../../../contract/records/restore-target.ts';
import type { EngineContext } from '../../engine.ts';
import { resolveLogin } from '../login.ts';
import { readServerFacts, type ServerFacts } from '../server-facts.ts';
import { type Session, withSession } from '../session.ts';

const needed = ['SELECT', 'INSERT', 'CREATE', 'ALTER', 'DROP'] as const;

/** `shop\_%` of a grant, as the schemas that it is for, and how many of its letters come before the first wildcard. */
function schemaPattern(name: string): { schemas: RegExp; literal: number } {
  const parts = name.match(/\\.|[\s\S]/g) ?? [];
  const source = parts.map((part) => {
    if (part === '%') return '[\\s\\S]*';
    if (part === '_') return '[\\s\\S]';
    return part.replace(/^\\(?=.)/, '').replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  const wildcard = parts.findIndex((part) => part === '%' || part === '_');
  return {
    schemas: new RegExp(`^${source.join('')}$`, 'i'),
    literal: wildcard < 0 ? Number.POSITIVE_INFINITY : wildcard,
  };
}

/**
 * Which privileges the grants lack on a schema: those for bringing a table into it, unless others are named. Of several
 * grants that match a schema the server takes the most specific alone. Roles are not followed.
 */
export function missingForTables(
  grants: readonly string[],
  schema: string,
  wanted: readonly string[] = needed,
): string[] {
  const held = new Set<string>();
  const own: { literal: number; names: string[] }[] = [];
  for (const grant of grants) {
    const match = /^GRANT (.+?) ON (?:\*\.\*|`((?:[^`]|``)*)`\.\*) TO /.exec(grant);
    if (match === null) continue;
    const [, list = '', of] = match;
    const names = list.split(', ');
    if (of === undefined) {
      for (const name of names) held.add(name);
      continue;
    }
    const { schemas, literal } = schemaPattern(of.replaceAll('``', '`'));
    if (schemas.test(schema)) own.push({ literal, names });
  }
  const [nearest] = own.sort((a, b) => b.literal - a.literal);
  for (const name of nearest?.names ?? []) held.add(name);
  return held.has('ALL PRIVILEGES') ? [] : wanted.filter((name) => !held.has(name));
}

/**
 * How a table comes beside the live one (M05): through logged SQL wherever somebody follows this server or its log is
 * kept; as a file where nobody does, since an import is in no log.
 */
export const wayOf = (facts: Pick<ServerFacts, 'variables' | 'dumpThreads'>): Way =>
  facts.variables.log_bin === 'OFF' &&
  facts.dumpThreads === 0 &&
  facts.variables.innodb_file_per_table === 'ON'
    ? 'import'
    : 'copy';

type LiveOrder = { member: Member; flavour: string; tables: readonly WantedTable[] };

type Refusal = { name: ErrorName; cause: string };

function serverRefusals(
  { member, flavour }: Pick<LiveOrder, 'member' | 'flavour'>,
  { version, variables, channels }: ServerFacts,
): Refusal[] {
  const refuse = (why: string): Refusal[] => [
    { name: 'Restore.MemberUnfit', cause: `into: ${member.memberId} ${why}` },
  ];
  if (version.includes('MariaDB') !== (flavour === 'mariadb')) {
    return refuse(`is ${version}; tables of ${flavour} come beside those of ${flavour} only`);
  }
  if (channels.length > 0) {
    return refuse('is a replica, and what is written there is nowhere else; name the primary');
  }
  if (variables.wsrep_on === 'ON') return refuse('is a Galera node (wsrep_on=ON), which takes no tables');
  if ((variables.group_replication_group_name ?? '') !== '') {
    return refuse('is a member of Group Replication, which takes no tables');
  }
  if (variables.read_only !== 'OFF') return refuse('is read-only; name the member that takes writes');
  return [];
}

async function tableRefusals(session: Session, { memberId }: Member, tables: readonly WantedTable[]) {
  const refusals: Refusal[] = [];
  const grants = (await session.rows('SHOW GRANTS')).map((row) => Object.values(row)[0] ?? '');
  for (const schema of new Set(tables.map((table) => table.schema))) {
    const [known] = await session.rows(
      'SELECT 1 AS one FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?',
      [schema],
    );
    if (known === undefined) {
      refusals.push({
        name: 'Restore.MemberUnfit',
        cause: `into: ${memberId} has no schema ${schema}; create it first`,
      });
    }
    const missing = missingForTables(grants, schema);
    if (missing.length > 0) {
      refusals.push({
        name: 'Restore.MemberUnfit',
        cause: `into: the account of ${memberId} lacks ${missing.join(', ')} ON ${schema}.*`,
      });
    }
  }
  for (const { schema, as } of tables) {
    const [taken] = await session.rows(
      'SELECT TABLE_TYPE AS type FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
      [schema, as],
    );
    if (taken !== undefined) {
      refusals.push({
        name: 'Restore.TableExists',
        cause: `tables: ${tableText({ schema, table: as })} is on ${memberId} already; rename or drop it first`,
      });
    }
  }
  return refusals;
}

/** What keeps this server from taking the tables, and how they would come; changes nothing. */
export async function inspectLive(session: Session, order: LiveOrder) {
  const { member, tables } = order;
  const facts = await readServerFacts(session);
  const refusals = serverRefusals(order, facts);
  if (refusals.length === 0) refusals.push(...(await tableRefusals(session, member, tables)));
  return { facts, way: wayOf(facts), refusals };
}

/** Whether two paths lie on one file system, the first as far as it exists. */
async function onOneDisk(path: string, other: string): Promise<boolean> {
  let known = path;
  while (!existsSync(known) && known !== '/') known = dirname(known);
  return (await stat(known)).dev === (await stat(other)).dev;
}

/** The same asked before anything is touched, with what the plan must know of the host's disks. */
export async function inspectTables(
  order: LiveOrder & { target?: RestoreTarget | undefined },
  context: EngineContext,
): Promise<TablesInspection> {
  const login = await resolveLogin(order.member, context);
  return withSession(login, context.signal, async (session) => {
    const { facts, way, refusals } = await inspectLive(session, order);
    const sameDisk = order.target !== undefined && (await onOneDisk(order.target.directory, facts.datadir));
    return { way, refusals, sameDisk };
  });
}
