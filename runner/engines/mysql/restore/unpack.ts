import { lstat, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import { findAccount } from '../../../host/accounts.ts';
import type { EngineContext, StoredBackup } from '../../engine.ts';
import { toolOfFlavour } from '../tools/tool.ts';
import { requiredFiles, verdict } from '../xbstream/completeness.ts';
import { joinStates, type StreamState } from '../xbstream/join-states.ts';
import { markerPath, stagingDirectory, writeRestoreMarker } from './marker.ts';
import { makeStreamWriter } from './stream-writer.ts';
import { takeDirectory } from './target-place.ts';

/** What the stream left on disk must be what the stream said: path and size of every file (M19). */
export async function missingFiles(
  root: string,
  files: readonly { path: string; bytes: number }[],
): Promise<string[]> {
  const reasons: string[] = [];
  for (const { path, bytes } of files) {
    const found = await lstat(join(root, path)).catch(() => undefined);
    if (found === undefined) reasons.push(`${path} is missing`);
    else if (!found.isFile()) reasons.push(`${path} is not a file`);
    else if (found.size !== bytes) reasons.push(`${path} has ${found.size} bytes, expected ${bytes}`);
  }
  return reasons;
}

/** Names that the restore itself uses in the target, and where a table's file points out of it. */
const notOurs = /^(?:my\.cnf|holdfast-.*|\.holdfast-.*|(?:mariadb|mysql)\.(?:err|pid|sock)|staged\.sock)$/;

/** Files that no backup of ours has and that would do harm; their host may have made them up. */
export const foreignFiles = (files: readonly { path: string }[]): string[] =>
  files.flatMap(({ path }) => {
    if (notOurs.test(path.split('/')[0]!)) return [`${path} has a name that a restore uses itself`];
    return path.endsWith('.isl') ? [`${path} points to a file outside the data directory`] : [];
  });

/** Makes the target this account's own and a staging directory in it, which must not be there yet. */
export async function makeStaging({ directory, user }: RestoreOrder['target']): Promise<string> {
  const account = findAccount(user);
  if (account === undefined) {
    throw new NamedError('Restore.UserUnknown', `there is no account ${user} on this host`, { user });
  }
  await takeDirectory(directory, account);
  const staging = stagingDirectory(directory);
  await mkdir(staging, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new NamedError('Restore.DirectoryNotEmpty', `${staging} is there already; remove it first`, {
      directory,
    });
  });
  return staging;
}

/**
 * Writes a stored backup's files below `root`, an empty directory of our own, and answers what is there then: every
 * file that the stream said, in its size, as many as the manifest says, and none that would do harm.
 */
export async function unpackInto(
  root: string,
  stored: StoredBackup,
  context: EngineContext,
): Promise<{ path: string; bytes: number }[]> {
  const { manifest } = stored;
  let most = {
    bytes: manifest.restore.bytes,
    // Tables that are created and dropped while the tool runs come besides.
    files: 2 * manifest.metrics.files + 1000,
  };
  const tool = toolOfFlavour(manifest.flavour);
  const expected = stored.streams.reduce((sum, stream) => sum + stream.bytes, 0);
  const parts: StreamState[] = [];
  let done = 0;
  // One after the other: each is fetched and unpacked by all that there is, within the memory of one.
  for (const { stream } of stored.streams) {
    const writer = makeStreamWriter(root, most, stored.done, tool.stream);
    try {
      for await (const bytes of stored.read(stream)) {
        context.signal.throwIfAborted();
        done += bytes.length;
        await writer.push(bytes);
        context.progress('unpacking', done, expected);
      }
      parts.push({ stream, state: await writer.end() });
      most = writer.left();
    } finally {
      await writer.close();
    }
  }
  const [first, ...others] = parts;
  if (first === undefined) throw new NamedError('Restore.StreamDamaged', 'the manifest names no stream');
  const decision = verdict({
    state: joinStates([first, ...others]),
    // The tool's own end was judged when the backup was made; the manifest exists only because it was good.
    exitCode: manifest.tool.exitCode,
    signal: null,
    stderrTail: 'completed OK!',
    requiredFiles: requiredFiles(tool.stream, false),
  });
  if (!decision.complete) throw new NamedError('Restore.StreamDamaged', decision.reasons.join('; '));
  const reasons = [...foreignFiles(decision.files), ...(await missingFiles(root, decision.files))];
  if (decision.files.length !== manifest.metrics.files) {
    reasons.push(`${decision.files.length} files were unpacked, the manifest says ${manifest.metrics.files}`);
  }
  if (reasons.length > 0) {
    throw new NamedError('Restore.StreamDamaged', reasons.slice(0, 20).join('; '), {
      files: reasons.length,
    });
  }
  return decision.files;
}

/** An error of a restore that has just removed what it had unpacked into `directory`. */
export function afterRemoval(error: unknown, { directory }: RestoreOrder['target'], needed: number): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error;
  return new NamedError(
    'Restore.NoSpace',
    `the disk of ${directory} became full while the backup was unpacked; a restore needs ${needed} bytes. What was unpacked is removed`,
    { directory, bytes: needed },
    { cause: error },
  );
}

/** Writes the backup's files, or those of the full that its chain begins with, into the staging directory. On failure nothing of them stays. */
export async function unpack(
  order: RestoreOrder,
  stored: StoredBackup,
  context: EngineContext,
): Promise<void> {
  const { directory } = order.target;
  const staging = await makeStaging(order.target);
  const who = { clusterId: order.clusterId, backupId: order.backupId };
  try {
    await writeRestoreMarker(directory, { ...who, state: 'unpacking' });
    const files = await unpackInto(staging, stored, context);
    await writeRestoreMarker(directory, {
      ...who,
      state: 'unpacked',
      files: files.map(({ path, bytes }) => [path, bytes]),
    });
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    await rm(markerPath(directory), { force: true });
    throw afterRemoval(error, order.target, stored.manifest.restore.bytes);
  }
}
