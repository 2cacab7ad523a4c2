import type { CheckOrder } from '../../../contract/records/job.ts';
import type { Policy } from '../../../contract/records/policy.ts';
import { keyPlace } from '../../../contract/records/tool-key.ts';
import type { EngineContext } from '../engine.ts';
import type { Session } from './session.ts';
import { missingForTables } from './tables/live-member.ts';
import { findKey } from './tool-key.ts';
import { settingsMisfit } from './tools/xtrabackup-arguments.ts';
import type { Words } from './words/words.ts';

/** What a tool needs for the table that it notes its backups in, as of its documentation. */
const neededForHistory = ['SELECT', 'INSERT', 'CREATE', 'ALTER'];

/** Up to 10.10 the tool kept the name of the one that it comes from. */
const ofMariadb = (version: string) =>
  /^10\.[0-9]\./.test(version) || version.startsWith('10.10.') ? 'PERCONA_SCHEMA' : 'mysql';

/** The rights that a history would need and the account lacks: without them the tool ends when all is copied. */
export function historyReason(
  { xtrabackup, mariadbBackup }: Pick<Policy, 'xtrabackup' | 'mariadbBackup'>,
  { family, version }: Pick<Words, 'family' | 'version'>,
  grants: readonly string[],
): string[] {
  const [field, settings, schema] =
    family === 'mysql'
      ? (['xtrabackup', xtrabackup, 'PERCONA_SCHEMA'] as const)
      : (['mariadbBackup', mariadbBackup, ofMariadb(version)] as const);
  if (settings?.history === undefined) return [];
  const missing = missingForTables(grants, schema, neededForHistory);
  return missing.length === 0
    ? []
    : [`${field}.history: the account lacks ${missing.join(', ')} ON \`${schema}\`.*`];
}

/** What of the policy's settings the tool or the server cannot do. */
export async function settingsReasons(
  session: Session,
  { policy, member }: Pick<CheckOrder, 'policy'> & { member: NonNullable<CheckOrder['member']> },
  seen: { toolVersion: string | null; grants: readonly string[]; replica: boolean },
  context: EngineContext,
): Promise<string[]> {
  const { toolVersion, grants, replica } = seen;
  const { family } = session.words;
  if (policy === undefined || toolVersion === null) return [];
  // It is sent to primaries only.
  const history = replica ? [] : historyReason(policy, session.words, grants);
  const settings = policy.xtrabackup;
  if (family !== 'mysql' || settings === undefined) return history;
  const misfit = settingsMisfit(settings, toolVersion);
  const [component] = settings.pageTracking
    ? await session.rows(
        "SELECT COUNT(*) AS n FROM mysql.component WHERE component_urn = 'file://component_mysqlbackup'",
      )
    : [{ n: '1' }];
  const { encrypt } = settings;
  const key = encrypt && (await findKey(keyPlace(encrypt), member.hostId, context));
  return [
    ...history,
    ...(misfit === undefined ? [] : [misfit]),
    ...(key && 'why' in key ? [`xtrabackup.encrypt: ${key.why}`] : []),
    ...(Number(component?.n) > 0
      ? []
      : ['xtrabackup.pageTracking: the server has no component_mysqlbackup; INSTALL COMPONENT it first']),
  ];
}
