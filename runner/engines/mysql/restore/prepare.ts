import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { keyPlace } from '../../../../contract/records/tool-key.ts';
import { type Account, findAccount } from '../../../host/accounts.ts';
import type { ChildEnd } from '../../../host/child.ts';
import { withLentFile } from '../../../host/lent-file.ts';
import type { EngineContext } from '../../engine.ts';
import { prepareArguments } from '../arguments.ts';
import { withPlainPath } from '../plain-path.ts';
import { findKey } from '../tool-key.ts';
import { type Tool, toolOfFlavour } from '../tools/tool.ts';
import { xtrabackupPrepareArguments, xtrabackupUnpackArguments } from '../tools/xtrabackup-arguments.ts';
import { saysSuccess } from '../xbstream/completeness.ts';
import { readRestoreMarker, stagingDirectory, temporaryDirectory, writeRestoreMarker } from './marker.ts';
import { giveTo } from './place.ts';
import { missingFiles } from './unpack.ts';

/** MariaDB's, with redo for it and without; and MySQL's. */
const notFound = [
  /\[Warning\] InnoDB: Tablespace (\d+) was not found at (?:\.\/)?(.+) when restoring a \(partial\?\) backup\. All redo log for this file will be ignored!$/,
  /\[Warning\] \[MY-012351\] \[InnoDB\] Tablespace (\d+), name '.*', file '(?:\.\/)?(.+)' is missing!$/,
  /\[Note\] InnoDB: Tablespace (\d+) was not found at '(?:\.\/)?(.+)', but there were no modifications either\.$/,
];

/** A tablespace that prepare says is missing: its number, and the file as the backup names it. */
export type MissingSpace = { space: number; path: string };

/** Whether a tablespace is missing on purpose. */
export type IsLeftOut = (missing: MissingSpace) => boolean;

/** What a line says is missing; undefined for every other line. */
export function missingSpaceOf(line: string): MissingSpace | undefined {
  const found = notFound.map((said) => said.exec(line.trimEnd())).find((match) => match !== null);
  return found && { space: Number(found[1]), path: found[2] ?? '' };
}

/**
 * Lines of a backup's own option file that a sound one does not have. The host that wrote it could otherwise make this
 * one load a library of its choice.
 */
export const foreignOptions = (text: string, { plainOption }: Pick<Tool, 'plainOption'>): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !plainOption.test(line));

/** Refuses what was unpacked where its own option file says more than the tool writes there. */
export async function refuseForeignOptions(unpacked: string, tool: Tool): Promise<void> {
  const foreign = foreignOptions(await readFile(join(unpacked, 'backup-my.cnf'), 'utf8'), tool);
  if (foreign.length === 0) return;
  throw new NamedError(
    'Restore.PrepareFailed',
    `backup-my.cnf has options that no plain backup has: ${foreign.slice(0, 5).join(' | ').slice(0, 500)}`,
    { options: foreign.length },
  );
}

export function accountOf({ user }: RestoreOrder['target']): Account {
  const account = findAccount(user);
  if (account !== undefined) return account;
  throw new NamedError('Restore.PrepareFailed', `there is no account ${user} on this host`, { user });
}

type Target = Pick<RestoreOrder, 'target' | 'policy'> & Partial<Pick<RestoreOrder, 'chain'>>;

/** Runs the tool as the account that the server will have, so that a backup made to harm it reaches no further. */
const runAsServer = (
  tool: Tool,
  args: string[],
  { target, policy }: Target,
  context: EngineContext,
  onLine: (line: string) => void = () => {},
): Promise<ChildEnd> =>
  context.runChild({
    command: tool.name,
    args,
    cwd: stagingDirectory(target.directory),
    user: target.user,
    stallSeconds: policy.stallSeconds,
    signal: context.signal,
    onStderrLine: (line) => {
      onLine(line);
      context.log(line.slice(0, 1000), { from: tool.name });
      context.progress('preparing');
    },
  });

const mustBeOk = (tool: Tool, what: string, end: ChildEnd) => {
  if (end.exitCode === 0 && end.firstCause === undefined && saysSuccess(end.stderrTail.join('\n'))) return;
  throw new NamedError(
    'Restore.PrepareFailed',
    `${tool.name} ${what} ended with ${end.signal ?? `code ${end.exitCode}`}: ${end.stderrTail.slice(-12).join(' | ')}`,
    { exitCode: end.exitCode, signal: end.signal },
  );
};

/** Undoes what XtraBackup itself did to its files (encryption, compression), as the backup's policy says. */
export async function unpackFiles(
  order: Target,
  { flavour, policy, restore }: Pick<Manifest, 'flavour' | 'policy' | 'restore'>,
  context: EngineContext,
  directory = stagingDirectory(order.target.directory),
): Promise<void> {
  const tool = toolOfFlavour(flavour);
  if (tool.name !== 'xtrabackup') return;
  const { encrypt } = policy.xtrabackup ?? {};
  const found =
    encrypt && (await findKey({ ...keyPlace(encrypt), ...restore.key }, order.target.hostId, context));
  if (found && 'why' in found) throw new NamedError('Restore.KeyMissing', found.why);
  const undo = async (keyFile: string) => {
    for (const args of xtrabackupUnpackArguments(
      directory,
      policy.xtrabackup,
      availableParallelism(),
      keyFile,
    )) {
      context.progress('unpacking files');
      const end = await runAsServer(tool, args, order, context);
      context.signal.throwIfAborted();
      mustBeOk(tool, args[1] ?? '', end);
    }
  };
  await (found === undefined ? undo('') : withLentFile(found.key, accountOf(order.target), undo));
}

/**
 * Runs the tool over the staging directory, with an incremental's directory where one is applied.
 * @param isLeftOut whether a file of the backup is missing on purpose; any other that prepare misses is an error (M19)
 */
export async function runPrepare(
  order: Target,
  { flavour, restore }: Pick<Manifest, 'flavour' | 'restore'>,
  context: EngineContext,
  incrementalDir?: string,
  isLeftOut: IsLeftOut = () => false,
): Promise<void> {
  const { target, policy } = order;
  const tool = toolOfFlavour(flavour);
  const memoryBytes = Math.min(restore.memoryBytes, policy.memoryMiB * 1024 * 1024);
  const argumentsAt = (directory: string): string[] => {
    const targetDir = stagingDirectory(directory);
    const temporary = temporaryDirectory(directory);
    const increment = incrementalDir?.replace(target.directory, directory);
    return tool.name === 'mariadb-backup'
      ? prepareArguments(targetDir, memoryBytes, temporary, increment)
      : xtrabackupPrepareArguments({
          targetDir,
          memoryBytes,
          temporary,
          toolVersion: restore.toolVersion,
          threads: availableParallelism(),
          // Nothing is rolled back before the last link; after it the server does so at its start.
          redoOnly: order.chain !== undefined,
          ...(increment === undefined ? {} : { increment }),
        });
  };
  const warnings: string[] = [];
  // InnoDB takes what stands behind a `;` in the directory of an incremental for another one.
  const end = await withPlainPath(target.directory, (path) =>
    runAsServer(tool, argumentsAt(path), order, context, (line) => {
      const missing = missingSpaceOf(line);
      if (missing === undefined || !isLeftOut(missing)) warnings.push(...tool.prepareWarnings([line]));
    }),
  );
  context.signal.throwIfAborted();
  if (warnings.length > 0 && end.exitCode === 0) {
    throw new NamedError('Restore.PrepareWarned', warnings.slice(0, 10).join(' | '), {
      warnings: warnings.length,
    });
  }
  mustBeOk(tool, '--prepare', end);
}

/** Applies the redo log to the unpacked files, after looking that all of them are there. */
export async function prepare(
  order: Pick<RestoreOrder, 'clusterId' | 'backupId' | 'target' | 'policy'> &
    Partial<Pick<RestoreOrder, 'chain'>>,
  manifest: Manifest,
  context: EngineContext,
  isLeftOut?: IsLeftOut,
): Promise<void> {
  const { directory } = order.target;
  const staging = stagingDirectory(directory);
  const marker = await readRestoreMarker(directory);
  const files = (marker?.files ?? []).map(([path, bytes]) => ({ path, bytes }));
  const gone = await missingFiles(staging, files);
  if (marker?.state !== 'unpacked' || gone.length > 0) {
    throw new NamedError(
      'Restore.PrepareWarned',
      marker?.state === 'unpacked'
        ? `files went missing after unpacking: ${gone.slice(0, 20).join('; ')}`
        : `${directory} is ${marker?.state ?? 'not marked'}, only what was just unpacked is prepared`,
      { files: gone.length },
    );
  }
  const account = accountOf(order.target);
  const temporary = temporaryDirectory(directory);
  await mkdir(temporary, { mode: 0o700 });
  await giveTo(account, temporary);
  await giveTo(account, staging);

  context.progress('preparing');
  await unpackFiles(order, manifest, context);
  await refuseForeignOptions(staging, toolOfFlavour(manifest.flavour));
  await runPrepare(order, manifest, context, undefined, isLeftOut);
  await writeRestoreMarker(directory, {
    clusterId: order.clusterId,
    backupId: order.backupId,
    state: 'prepared',
  });
}
