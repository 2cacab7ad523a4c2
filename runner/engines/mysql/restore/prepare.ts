import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { type Account, findAccount } from '../../../host/accounts.ts';
import type { EngineContext } from '../../engine.ts';
import { prepareArguments } from '../arguments.ts';
import { saysSuccess } from '../xbstream/completeness.ts';
import { readRestoreMarker, stagingDirectory, temporaryDirectory, writeRestoreMarker } from './marker.ts';
import { giveTo } from './place.ts';
import { missingFiles } from './unpack.ts';

/**
 * What prepare says when it goes on without something it needs (M19): it ends with code 0 and `completed OK!` all the
 * same. Any warning or error of InnoDB or Aria counts, because a sound full backup prepares without one. Its notes do
 * not: `unable to open file` stands for each table that was dropped or renamed since the checkpoint, and where the
 * file is truly missing a warning follows once the redo is read.
 */
const warning =
  /will be ignored|was not found at|\[(?:ERROR|Warning)\]|^\[\d+\] (?:\S+ \S+ )?(?:fatal )?(?:error|warning)\b|corrupt/i;

/** Harmless where they come: about the process, not about the files. */
const harmless = /setrlimit|io_uring|O_DIRECT|Memory pressure|could not lock memory|deprecated/i;

/** Paths hold the users' own words: a table may be called `corrupt` or `deprecated`. */
const withoutPaths = (line: string) => line.replace(/\S*\/\S*/g, '');

/** The lines of prepare's output that mean that something is missing or damaged. */
export function prepareWarnings(lines: readonly string[]): string[] {
  return lines.filter((line) => {
    const said = withoutPaths(line);
    return warning.test(said) && !harmless.test(said);
  });
}

/** With redo for it, and without. */
const notFound = [
  /\[Warning\] InnoDB: Tablespace \d+ was not found at (?:\.\/)?(.+) when restoring a \(partial\?\) backup\. All redo log for this file will be ignored!$/,
  /\[Note\] InnoDB: Tablespace \d+ was not found at '(?:\.\/)?(.+)', but there were no modifications either\.$/,
];

/** The file that a line says is missing, as the backup names it; undefined for every other line. */
export const missingFileOf = (line: string): string | undefined =>
  notFound.map((said) => said.exec(line.trimEnd())?.[1]).find((path) => path !== undefined);

/** What the tool writes for the server's files: InnoDB's own options, and nothing that loads or points elsewhere. */
const plainOption = /^(?:#.*|\[mysqld\]|innodb_[a-z_]+ ?= ?[^/]*|innodb_undo_directory ?= ?\.\/|)$/;

/**
 * Lines of a backup's own option file that a sound one does not have. The host that wrote it could otherwise make this
 * one load a library of its choice.
 */
export const foreignOptions = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !plainOption.test(line));

/** Refuses what was unpacked where its own option file says more than the tool writes there. */
export async function refuseForeignOptions(unpacked: string): Promise<void> {
  const foreign = foreignOptions(await readFile(join(unpacked, 'backup-my.cnf'), 'utf8'));
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

/**
 * Runs the tool over the staging directory, with an incremental's directory where one is applied. It runs as the account
 * that the server will have, so that a backup made to harm it reaches no further.
 * @param isLeftOut whether a file of the backup is missing on purpose; any other that prepare misses is an error (M19)
 */
export async function runPrepare(
  { target, policy }: Pick<RestoreOrder, 'target' | 'policy'>,
  memoryBytes: number,
  context: EngineContext,
  incrementalDir?: string,
  isLeftOut: (path: string) => boolean = () => false,
): Promise<void> {
  const staging = stagingDirectory(target.directory);
  const warnings: string[] = [];
  const end = await context.runChild({
    command: 'mariadb-backup',
    args: prepareArguments(
      staging,
      Math.min(memoryBytes, policy.memoryMiB * 1024 * 1024),
      temporaryDirectory(target.directory),
      incrementalDir,
    ),
    cwd: staging,
    user: target.user,
    stallSeconds: policy.stallSeconds,
    signal: context.signal,
    onStderrLine: (line) => {
      const missing = missingFileOf(line);
      if (missing === undefined || !isLeftOut(missing)) warnings.push(...prepareWarnings([line]));
      context.log(line.slice(0, 1000), { from: 'mariadb-backup' });
      context.progress('preparing');
    },
  });
  context.signal.throwIfAborted();
  if (warnings.length > 0) {
    throw new NamedError('Restore.PrepareWarned', warnings.slice(0, 10).join(' | '), {
      warnings: warnings.length,
    });
  }
  if (end.exitCode !== 0 || end.firstCause !== undefined || !saysSuccess(end.stderrTail.join('\n'))) {
    throw new NamedError(
      'Restore.PrepareFailed',
      `mariadb-backup --prepare ended with ${end.signal ?? `code ${end.exitCode}`}: ${end.stderrTail.slice(-12).join(' | ')}`,
      { exitCode: end.exitCode, signal: end.signal },
    );
  }
}

/** Applies the redo log to the unpacked files, after looking that all of them are there. */
export async function prepare(
  order: Pick<RestoreOrder, 'clusterId' | 'backupId' | 'target' | 'policy'>,
  manifest: Manifest,
  context: EngineContext,
  isLeftOut?: (path: string) => boolean,
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
  await refuseForeignOptions(staging);
  const account = accountOf(order.target);
  const temporary = temporaryDirectory(directory);
  await mkdir(temporary, { mode: 0o700 });
  await giveTo(account, temporary);
  await giveTo(account, staging);

  context.progress('preparing');
  await runPrepare(order, manifest.restore.memoryBytes, context, undefined, isLeftOut);
  await writeRestoreMarker(directory, {
    clusterId: order.clusterId,
    backupId: order.backupId,
    state: 'prepared',
  });
}
