import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import type { EngineContext } from '../../engine.ts';
import { prepareArguments } from '../arguments.ts';
import { saysSuccess } from '../xbstream/completeness.ts';
import { readRestoreMarker, stagingDirectory, writeRestoreMarker } from './marker.ts';
import { missingFiles } from './unpack.ts';

/**
 * What prepare says when it goes on without something it needs (M19): it ends with code 0 and `completed OK!` all the
 * same. Any warning or error of InnoDB or Aria counts, because a sound full backup prepares without one.
 */
const warning =
  /All redo log for this file will be ignored|was not found at|\[(?:ERROR|Warning)\]|\[\d+\] \S+ \S+ (?:error|warning)\b|unable to open file|corrupt/i;

/** Harmless where they come: about the process, not about the files. */
const harmless = /setrlimit|io_uring|O_DIRECT|Memory pressure|could not lock memory|deprecated/i;

/** The lines of prepare's output that mean that something is missing or damaged. */
export function prepareWarnings(lines: readonly string[]): string[] {
  return lines.filter((line) => warning.test(line) && !harmless.test(line));
}

/** Applies the redo log to the unpacked files, after looking that all of them are there. */
export async function prepare(
  order: RestoreOrder,
  manifest: Manifest,
  context: EngineContext,
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
  context.progress('preparing');
  const warnings: string[] = [];
  const end = await context.runChild({
    command: 'mariadb-backup',
    args: prepareArguments(
      staging,
      Math.min(manifest.restore.memoryBytes, order.policy.memoryMiB * 1024 * 1024),
    ),
    cwd: staging,
    stallSeconds: order.policy.stallSeconds,
    signal: context.signal,
    onStderrLine: (line) => {
      warnings.push(...prepareWarnings([line]));
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
  await writeRestoreMarker(directory, {
    clusterId: order.clusterId,
    backupId: order.backupId,
    state: 'prepared',
  });
}
