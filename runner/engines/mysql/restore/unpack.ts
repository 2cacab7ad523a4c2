import { lstat, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import type { EngineContext, StoredBackup } from '../../engine.ts';
import { requiredFiles, verdict } from '../xbstream/completeness.ts';
import { markerPath, stagingDirectory, writeRestoreMarker } from './marker.ts';
import { makeStreamWriter } from './stream-writer.ts';

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

async function makeStaging(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: 0o755 });
  const staging = stagingDirectory(directory);
  await mkdir(staging, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new NamedError('Restore.DirectoryNotEmpty', `${staging} is there already; remove it first`, {
      directory,
    });
  });
  return staging;
}

/** Writes the backup's files into the staging directory. On failure nothing of them stays. */
export async function unpack(
  order: RestoreOrder,
  stored: StoredBackup,
  context: EngineContext,
): Promise<void> {
  const { directory } = order.target;
  const { manifest } = stored;
  const staging = await makeStaging(directory);
  const who = { clusterId: order.clusterId, backupId: order.backupId };
  const writer = makeStreamWriter(staging);
  const expected = stored.streams.reduce((sum, stream) => sum + stream.bytes, 0);
  try {
    await writeRestoreMarker(directory, { ...who, state: 'unpacking' });
    let done = 0;
    for await (const bytes of stored.read('main')) {
      context.signal.throwIfAborted();
      await writer.push(bytes);
      done += bytes.length;
      context.progress('unpacking', done, expected);
    }
    const state = await writer.end();
    const decision = verdict({
      state,
      // The tool's own end was judged when the backup was made; the manifest exists only because it was good.
      exitCode: manifest.tool.exitCode,
      signal: null,
      stderrTail: 'completed OK!',
      requiredFiles: requiredFiles('mariadb', false),
    });
    if (!decision.complete) throw new NamedError('Restore.StreamDamaged', decision.reasons.join('; '));
    const reasons = await missingFiles(staging, decision.files);
    if (decision.files.length !== manifest.metrics.files) {
      reasons.push(
        `${decision.files.length} files were unpacked, the manifest says ${manifest.metrics.files}`,
      );
    }
    if (reasons.length > 0) {
      throw new NamedError('Restore.StreamDamaged', reasons.slice(0, 20).join('; '), {
        files: reasons.length,
      });
    }
    await writeRestoreMarker(directory, {
      ...who,
      state: 'unpacked',
      files: decision.files.map(({ path, bytes }) => [path, bytes]),
    });
  } catch (error) {
    await writer.close();
    await rm(staging, { recursive: true, force: true });
    await rm(markerPath(directory), { force: true });
    throw error;
  }
}
