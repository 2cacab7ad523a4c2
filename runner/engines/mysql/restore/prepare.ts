import { mkdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { findAccount } from '../../../host/accounts.ts';
import type { ChildEnd } from '../../../host/child.ts';
import type { EngineContext } from '../../engine.ts';
import { prepareArguments } from '../arguments.ts';
import { type Tool, toolOfFlavour } from '../tools/tool.ts';
import { xtrabackupPrepareArguments, xtrabackupUnpackArguments } from '../tools/xtrabackup-arguments.ts';
import { saysSuccess } from '../xbstream/completeness.ts';
import { readRestoreMarker, stagingDirectory, temporaryDirectory, writeRestoreMarker } from './marker.ts';
import { giveTo } from './place.ts';
import { missingFiles } from './unpack.ts';

/**
 * Lines of a backup's own option file that a sound one does not have. The host that wrote it could otherwise make this
 * one load a library of its choice.
 */
export const foreignOptions = (text: string, { plainOption }: Pick<Tool, 'plainOption'>): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !plainOption.test(line));

/**
 * Applies the redo log to the unpacked files, after looking that all of them are there. The tool runs as the account
 * that the server will have, so that a backup made to harm it reaches no further.
 */
export async function prepare(
  order: RestoreOrder,
  manifest: Manifest,
  context: EngineContext,
): Promise<void> {
  const { directory } = order.target;
  const tool = toolOfFlavour(manifest.flavour);
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
  const account = findAccount(order.target.user);
  if (account === undefined) {
    throw new NamedError('Restore.PrepareFailed', `there is no account ${order.target.user} on this host`, {
      user: order.target.user,
    });
  }
  const temporary = temporaryDirectory(directory);
  await mkdir(temporary, { mode: 0o700 });
  await giveTo(account, temporary);
  await giveTo(account, staging);

  const { memoryBytes, toolVersion } = manifest.restore;
  const memory = Math.min(memoryBytes, order.policy.memoryMiB * 1024 * 1024);
  const threads = availableParallelism();
  const run = (args: string[], onLine: (line: string) => void) =>
    context.runChild({
      command: tool.name,
      args,
      cwd: staging,
      user: order.target.user,
      stallSeconds: order.policy.stallSeconds,
      signal: context.signal,
      onStderrLine: (line) => {
        onLine(line);
        if (!tool.isFileLine(line)) context.log(line.slice(0, 1000), { from: tool.name });
        context.progress('preparing');
      },
    });
  const mustBeOk = (what: string, end: ChildEnd) => {
    context.signal.throwIfAborted();
    if (end.exitCode === 0 && end.firstCause === undefined && saysSuccess(end.stderrTail.join('\n'))) return;
    throw new NamedError(
      'Restore.PrepareFailed',
      `${tool.name} ${what} ended with ${end.signal ?? `code ${end.exitCode}`}: ${end.stderrTail.slice(-12).join(' | ')}`,
      { exitCode: end.exitCode, signal: end.signal },
    );
  };

  context.progress('preparing');
  if (tool.name === 'xtrabackup') {
    for (const args of xtrabackupUnpackArguments(staging, manifest.policy.xtrabackup, threads)) {
      mustBeOk(args[1] ?? '', await run(args, () => {}));
    }
  }
  const foreign = foreignOptions(await readFile(join(staging, 'backup-my.cnf'), 'utf8'), tool);
  if (foreign.length > 0) {
    throw new NamedError(
      'Restore.PrepareFailed',
      `backup-my.cnf has options that no plain backup has: ${foreign.slice(0, 5).join(' | ').slice(0, 500)}`,
      { options: foreign.length },
    );
  }
  const warnings: string[] = [];
  const end = await run(
    tool.name === 'mariadb-backup'
      ? prepareArguments(staging, memory, temporary)
      : xtrabackupPrepareArguments({
          targetDir: staging,
          memoryBytes: memory,
          temporary,
          toolVersion,
          threads,
        }),
    (line) => warnings.push(...tool.prepareWarnings([line])),
  );
  context.signal.throwIfAborted();
  if (warnings.length > 0 && end.exitCode === 0) {
    throw new NamedError('Restore.PrepareWarned', warnings.slice(0, 10).join(' | '), {
      warnings: warnings.length,
    });
  }
  mustBeOk('--prepare', end);
  await writeRestoreMarker(directory, {
    clusterId: order.clusterId,
    backupId: order.backupId,
    state: 'prepared',
  });
}
