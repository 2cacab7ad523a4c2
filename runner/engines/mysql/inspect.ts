import { join } from 'node:path';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { CheckOrder, MemberInspection, TargetInspection } from '../../../contract/records/job.ts';
import type { Policy } from '../../../contract/records/policy.ts';
import { findAccount } from '../../host/accounts.ts';
import { directoryState, freeBytes } from '../../host/disks.ts';
import { portFree } from '../../host/ports.ts';
import type { EngineContext } from '../engine.ts';
import { ineligibility, lagOf, missingPrivileges, physicalOnly, roleOf } from './eligibility.ts';
import { type DumpArguments, dumpArguments, dumperLine } from './logical/dumper.ts';
import { findDumper } from './logical/find-dumper.ts';
import { readLogicalFacts } from './logical/read-facts.ts';
import { logicalRefusals } from './logical/refusals.ts';
import { type Login, resolveLogin } from './login.ts';
import { filesIdentity } from './origin.ts';
import { readEncryption, readPlugins } from './plugins.ts';
import { datadirs, readPlaces, readServerFacts } from './server-facts.ts';
import { type Session, withSession } from './session.ts';
import { settingsReasons } from './settings-reasons.ts';
import { backupCommand, privateDirectory } from './tools/backup-command.ts';
import { toolOf } from './tools/tool.ts';
import { findTools, type ToolVersions, versionIn } from './versions.ts';
import type { Words } from './words/words.ts';

type MemberOrder = Pick<CheckOrder, 'policy' | 'flavour'> & { member: NonNullable<CheckOrder['member']> };

/** Asks one server what it is, how big, where it stands, and whether it may be backed up now. */
export async function inspectMember(
  order: MemberOrder,
  context: EngineContext,
  spoolDirectory: string,
): Promise<MemberInspection> {
  const tools = await findTools(context.runChild, context.signal);
  try {
    return await inspectServer(order, tools, context, spoolDirectory);
  } catch (error) {
    // That nobody answers, or lets us in, is what was to be found out.
    if (error instanceof NamedError && error.name === 'Member.LoginFailed') {
      return unseen(order.member, tools, error.message);
    }
    throw error;
  }
}

/** What is said of a server that could not be looked at. */
function unseen(member: MemberOrder['member'], tools: ToolVersions, reason: string): MemberInspection {
  return {
    memberId: member.memberId,
    hostId: member.hostId,
    reachable: false,
    role: 'standalone',
    serverVersion: '',
    serverUuid: '',
    serverId: 0,
    toolVersion: tools['mariadb-backup'] ?? tools.xtrabackup,
    datadir: member.datadir,
    dataBytes: 0,
    redoBytes: 0,
    freeBytes: 0,
    lagSeconds: null,
    position: null,
    logsBinary: false,
    outsideDatadir: [],
    ineligible: [reason],
  };
}

async function inspectServer(
  order: MemberOrder,
  tools: ToolVersions,
  context: EngineContext,
  spoolDirectory: string,
): Promise<MemberInspection> {
  const { member } = order;
  const login = await resolveLogin(member, context);
  return withSession(login, context.signal, async (session) => {
    const { words } = session;
    const grants = (await session.rows('SHOW GRANTS')).map((row) => Object.values(row)[0] ?? '');
    // MySQL answers nothing of what follows to an account without these.
    const lacking = words.family === 'mysql' ? missingPrivileges(grants, false, 'mysql') : [];
    if (lacking.length > 0) {
      const reason = `the account lacks ${lacking.join(', ')} ON *.*`;
      return { ...unseen(member, tools, reason), reachable: true, serverVersion: words.version };
    }
    const facts = await readServerFacts(session);
    const role = roleOf(facts);
    const toolVersion = words.family === 'mariadb' ? tools['mariadb-backup'] : tools.xtrabackup;
    const places = await readPlaces(session, facts);
    const plugins = await readPlugins(session);
    const dumper = await findDumper(context);
    const seen = { toolVersion, grants, replica: role === 'replica' };
    const settings = await settingsReasons(session, order, seen, context);
    return {
      memberId: member.memberId,
      hostId: member.hostId,
      reachable: true,
      role,
      serverVersion: versionIn(facts.version) ?? facts.version,
      serverUuid: facts.uuid,
      serverId: facts.serverId,
      toolVersion,
      ...(toolVersion === null || order.policy === undefined
        ? {}
        : {
            toolCommand: commandShown(order.policy, toolVersion, {
              words,
              address: login.address,
              datadir: facts.datadir,
              replica: role === 'replica',
            }),
          }),
      datadir: facts.datadir,
      dataBytes: places.dataBytes,
      redoBytes: places.redoBytes,
      redoToCopyBytes: places.redoToCopyBytes,
      undoBytes: places.undoBytes,
      freeBytes: await freeBytes(facts.datadir),
      lagSeconds: lagOf(facts.channels),
      position: await words.currentPosition(session, role === 'replica'),
      logsBinary: facts.variables.log_bin === 'ON',
      outsideDatadir: places.outsideDatadir.slice(0, 50),
      files: await filesIdentity(facts),
      ineligible: [
        ...settings,
        ...ineligibility({
          memberId: member.memberId,
          version: facts.version,
          versionComment: facts.variables.version_comment ?? '',
          toolVersion,
          variables: facts.variables,
          channels: facts.channels,
          dumpThreads: facts.dumpThreads,
          encryption: await readEncryption(session, plugins),
          flavour: order.flavour,
          ...(words.family === 'mysql' ? await readMysqlState(session) : {}),
          grants,
          datadir: await datadirs(member, facts),
          maxReplicaLagSeconds: order.policy?.maxReplicaLagSeconds,
        }),
      ],
      onlyPhysical: [...settings, ...physicalOnly({ version: facts.version, toolVersion })],
      logical: {
        toolVersion: dumper,
        spoolFreeBytes: await freeBytes(spoolDirectory),
        refusals: logicalRefusals(
          await readLogicalFacts(session, facts, {
            toolVersion: dumper,
            grants,
            outsideDatadir: places.outsideDatadir,
          }),
        )
          .slice(0, 20)
          .map((reason) => reason.slice(0, 400)),
        ...dumpShown(order.policy, dumper, login.address, {
          family: session.words.family,
          version: facts.version,
        }),
      },
    };
  });
}

/** The tool's call as a plan shows it: exact but for what the job makes when it runs. */
function commandShown(
  policy: Policy,
  toolVersion: string,
  seen: { words: Words; address: Login['address']; datadir: string; replica: boolean },
): string[] {
  const { words, address, datadir, replica } = seen;
  const tool = toolOf(words.family);
  const inPrivate = (name: string) => join(privateDirectory, name);
  const args = backupCommand({
    tool,
    toolVersion,
    policy,
    address,
    datadir,
    replica,
    checkpointFirst: false,
    defaultsFile: inPrivate('client.cnf'),
    extraLsnDir: inPrivate('lsn'),
    targetDir: inPrivate('tool'),
    keyFile: inPrivate('key'),
  });
  return [tool.name, ...args];
}

/** The call of mydumper in the same way; none where there is none that is known. */
function dumpShown(
  policy: Policy | undefined,
  version: string | null,
  address: Login['address'],
  server: DumpArguments['server'],
) {
  const line = dumperLine(version);
  if (policy === undefined || line === undefined) return {};
  const args = dumpArguments({
    line,
    server,
    address,
    defaultsFile: join(privateDirectory, 'client.cnf'),
    outputDirectory: join(privateDirectory, 'dump'),
    threads: policy.toolThreads,
  });
  return { toolCommand: ['mydumper', ...args] };
}

/** What only MySQL has: Group Replication, and redo that can be switched off. */
async function readMysqlState(session: Session): Promise<{ groupState: string; redoEnabled: string }> {
  const [member] = await session.rows(
    `SELECT MEMBER_STATE AS state FROM performance_schema.replication_group_members
     WHERE MEMBER_ID = @@GLOBAL.server_uuid OR MEMBER_ID = ''`,
  );
  const [redo] = await session.rows("SHOW GLOBAL STATUS LIKE 'Innodb_redo_log_enabled'");
  return { groupState: member?.state ?? '', redoEnabled: redo?.Value ?? '' };
}

/** Looks at the directory, port and account that a restore wants. Changes nothing. */
export async function inspectTarget(target: NonNullable<CheckOrder['target']>): Promise<TargetInspection> {
  const { state, entries } = await directoryState(target.directory);
  return {
    directoryState: state,
    entries,
    freeBytes: await freeBytes(target.directory),
    portFree: await portFree(target.port),
    userExists: findAccount(target.user) !== undefined,
  };
}
