import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder, TargetInspection } from '../../../../contract/records/job.ts';
import { findAccount } from '../../../host/accounts.ts';
import { hasZone } from '../../../host/time-zone.ts';
import type { EngineContext, PreflightOutcome } from '../../engine.ts';
import { inspectTarget } from '../inspect.ts';
import { missingKeys } from '../tool-key.ts';
import { toolOfFlavour } from '../tools/tool.ts';
import { findTools, serverMisfit, type ToolVersions, toolMisfit, xtrabackupMisfit } from '../versions.ts';
import { carriedByMysql } from './mysql-config.ts';
import { oddVariable } from './server-config.ts';
import { openToOthers } from './target-place.ts';

type Refusal = { name: string; cause: string };

/** The first reason why this backup cannot be restored there; undefined when it can. Pure. */
export function restoreRefusal(
  order: Pick<RestoreOrder, 'target'>,
  manifest: Pick<Manifest, 'flavour' | 'server' | 'restore'> & { plan: Pick<Manifest['plan'], 'method'> },
  tools: ToolVersions,
  target: TargetInspection,
): Refusal | undefined {
  const { directory, port, user } = order.target;
  const { flavour } = manifest;
  if (flavour !== 'mariadb' && flavour !== 'mysql' && flavour !== 'percona') {
    return {
      name: 'Restore.VersionMismatch',
      cause: `the backup is of ${flavour}, this version restores mariadb, mysql and percona`,
    };
  }
  const tool = toolOfFlavour(flavour);
  const { outsideDatadir } = manifest.restore;
  if (outsideDatadir.length > 0) {
    return {
      name: 'Restore.OutsideDatadir',
      cause: `the backup holds files outside the data directory: ${outsideDatadir.slice(0, 10).join(', ')}; move them in (ALTER TABLE without DATA DIRECTORY, undo and data home within the datadir) and take a new backup, or restore by hand`,
    };
  }
  const odd = oddVariable(manifest.server.variables, ...(flavour === 'mariadb' ? [] : [carriedByMysql]));
  if (odd !== undefined) {
    return {
      name: 'Input.Invalid',
      cause: `the manifest says ${odd} is ${JSON.stringify(manifest.server.variables[odd]).slice(0, 200)}, which no server of ours has; a word, a number or a list of them is followed`,
    };
  }
  const { system_zone: zone } = manifest.server.variables;
  if (zone !== undefined && !hasZone(zone)) {
    return {
      name: 'Restore.ToolMissing',
      cause: `the target host lacks the time zone ${JSON.stringify(zone).slice(0, 100)} that the server lived in, and would take UTC for it; install tzdata (and tzdata-legacy, where the name is an old one)`,
    };
  }
  // A dump is loaded by the server's own programs; nothing prepares it.
  const physical = manifest.plan.method === 'physical';
  const missing = ([tool.name, tool.server] as const)
    .filter((name) => tools[name] === null && (physical || name === tool.server))
    .map((name) => [name]);
  if (missing.length > 0) {
    return {
      name: 'Restore.ToolMissing',
      cause: `the target host lacks ${missing.map(([name]) => name).join(' and ')}; install ${flavour === 'mariadb' ? 'MariaDB' : 'MySQL or Percona Server, with its XtraBackup,'} ${manifest.server.version}`,
    };
  }
  if (flavour !== 'mariadb' && directory.includes('/.')) {
    return {
      name: 'Input.Invalid',
      cause: `target.directory ${directory}: MySQL finds no tables below a name that begins with a dot; name another directory`,
    };
  }
  const misfit =
    serverMisfit(manifest.server.version, tools[tool.server], tool.server) ??
    (physical ? prepareMisfit(flavour, manifest, tools) : undefined);
  if (misfit !== undefined) return { name: 'Restore.VersionMismatch', cause: misfit };
  if (target.directoryState === 'not-empty') {
    return {
      name: 'Restore.DirectoryNotEmpty',
      cause: `target.directory ${directory} holds ${target.entries.join(', ')}; an empty or absent directory is needed`,
    };
  }
  if (target.directoryState === 'not-a-directory') {
    return {
      name: 'Restore.DirectoryNotEmpty',
      cause: `target.directory ${directory} is not a directory; an empty or absent directory is needed`,
    };
  }
  if (target.freeBytes < manifest.restore.bytes) {
    return {
      name: 'Restore.NoSpace',
      cause: `target.directory ${directory} has ${target.freeBytes} bytes free, the restore needs ${manifest.restore.bytes}`,
    };
  }
  if (!target.portFree) {
    return {
      name: 'Restore.PortTaken',
      cause: `target.port ${port} is in use on this host; choose a free one`,
    };
  }
  if (!target.userExists) {
    return {
      name: 'Input.Invalid',
      cause: `target.user ${user} is no account of this host; name one that exists, e.g. mysql`,
    };
  }
  return undefined;
}

/** Why the host's tool cannot prepare this backup; undefined when it can. */
const prepareMisfit = (
  flavour: string,
  { restore, server }: Pick<Manifest, 'restore' | 'server'>,
  tools: ToolVersions,
): string | undefined =>
  flavour === 'mariadb'
    ? toolMisfit(restore.toolVersion, tools['mariadb-backup'])
    : xtrabackupMisfit(server.version, tools.xtrabackup);

/** Looks at host and target, and refuses before anything is touched. */
export async function restorePreflight(
  order: Pick<RestoreOrder, 'target'>,
  manifest: Manifest,
  context: EngineContext,
): Promise<PreflightOutcome> {
  const tools = await findTools(context.runChild, context.signal);
  const target = await inspectTarget(order.target);
  const refusal =
    restoreRefusal(order, manifest, tools, target) ??
    (await keyRefusal(order, manifest, context)) ??
    (await unsafeTarget(order.target)) ??
    (await unreachableDirectory(order.target, context));
  return refusal === undefined ? { outcome: 'ready' } : { outcome: 'refused', ...refusal };
}

/** The tool's own encryption is undone before anything else can be (M24). */
async function keyRefusal(
  { target }: Pick<RestoreOrder, 'target'>,
  { restore: { key } }: Pick<Manifest, 'restore'>,
  context: EngineContext,
): Promise<Refusal | undefined> {
  const [why] = key === undefined ? [] : await missingKeys([key], target.hostId, context);
  return why === undefined
    ? undefined
    : { name: 'Restore.KeyMissing', cause: `this host lacks the key of the backup: ${why}` };
}

/** The files are another host's: nothing of them runs as root, and nobody else may reach in while they are written. */
async function unsafeTarget({ directory, user }: RestoreOrder['target']): Promise<Refusal | undefined> {
  const account = findAccount(user);
  if (account === undefined) return undefined;
  if (account.uid === 0) {
    return {
      name: 'Input.Invalid',
      cause: `target.user ${user} is root; name an account that owns nothing but databases, e.g. mysql`,
    };
  }
  const why = await openToOthers(directory, account);
  return why === undefined
    ? undefined
    : {
        name: 'Input.Invalid',
        cause: `target.directory ${directory}: ${why}, who could put something else in its place; name one whose directories above are all root's and not open to everybody`,
      };
}

/** A server that may not pass the directories above its own cannot start: asked of the system as its account. */
async function unreachableDirectory(
  { directory, user }: RestoreOrder['target'],
  { runChild, signal }: EngineContext,
): Promise<Refusal | undefined> {
  let above = dirname(directory);
  while (!existsSync(above)) above = dirname(above);
  const end = await runChild({ command: 'test', args: ['-x', above], user, signal, stallSeconds: 30 });
  signal.throwIfAborted();
  if (end.exitCode === 0) return undefined;
  return {
    name: 'Input.Invalid',
    cause: `target.directory ${directory}: ${user} may not pass ${above}; chmod o+x the directories above, or choose another`,
  };
}
