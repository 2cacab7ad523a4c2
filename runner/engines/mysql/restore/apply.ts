import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../contract/records/job.ts';
import type { EngineContext, StoredBackup } from '../../engine.ts';
import { toolOfFlavour } from '../tools/tool.ts';
import {
  incrementDirectory,
  markerPath,
  readRestoreMarker,
  stagingDirectory,
  temporaryDirectory,
  writeRestoreMarker,
} from './marker.ts';
import { giveTo } from './place.ts';
import { accountOf, type IsLeftOut, refuseForeignOptions, runPrepare, unpackFiles } from './prepare.ts';
import { afterRemoval, unpackInto } from './unpack.ts';

/** Files of other engines and definitions, which the tool copies whole; Aria's recovery may make them longer. */
const copiedWhole = /\.(frm|MAD|MAI|MYD|MYI|CSV|CSM|MRG|ARZ|TRG|TRN|par|opt)$/;

type Applying = Pick<RestoreOrder, 'clusterId' | 'backupId' | 'target' | 'policy' | 'chain'>;

/**
 * Brings the prepared files of the staging directory to where the next incremental of the chain ends: unpacks it into a
 * directory of its own, has the tool apply it, looks that its files arrived (M19) and removes it again, so that the disk
 * holds the base and one incremental at most. What is half applied is no backup any more: on failure all of it goes.
 * @param isLeftOut whether a file of the backup is missing on purpose
 */
export async function applyFiles(
  order: Applying,
  manifest: Manifest,
  context: EngineContext,
  unpackTo: (increment: string) => Promise<readonly { path: string }[]>,
  isLeftOut?: IsLeftOut,
): Promise<void> {
  const { directory } = order.target;
  const staging = stagingDirectory(directory);
  const increment = incrementDirectory(directory);
  const who = { clusterId: order.clusterId, backupId: order.backupId };
  const marker = await readRestoreMarker(directory);
  if (marker?.state !== 'prepared') {
    throw new NamedError(
      'Restore.PrepareWarned',
      `${directory} is ${marker?.state ?? 'not marked'}, an incremental is applied to what was just prepared only`,
      { directory },
    );
  }
  const account = accountOf(order.target);
  try {
    await writeRestoreMarker(directory, { ...who, state: 'applying' });
    await mkdir(increment, { mode: 0o700 });
    const files = await unpackTo(increment);
    await giveTo(account, increment);
    await unpackFiles(order, manifest, context, increment);
    await refuseForeignOptions(increment, toolOfFlavour(manifest.flavour));
    context.progress('applying the incremental');
    await runPrepare(order, manifest, context, increment, isLeftOut);
    const gone = files
      .map(({ path }) => path)
      .filter((path) => copiedWhole.test(path) && !existsSync(join(staging, path)));
    if (gone.length > 0) {
      throw new NamedError(
        'Restore.PrepareWarned',
        `files of the incremental ${manifest.backupId} are not there after it was applied: ${gone.slice(0, 20).join('; ')}`,
        { files: gone.length },
      );
    }
    await rm(increment, { recursive: true });
    await writeRestoreMarker(directory, { ...who, state: 'prepared' });
  } catch (error) {
    for (const path of [increment, staging, temporaryDirectory(directory), markerPath(directory)]) {
      await rm(path, { recursive: true, force: true });
    }
    throw afterRemoval(error, order.target, manifest.restore.bytes);
  }
}

/** Applies a whole incremental. */
export const apply = (order: RestoreOrder, stored: StoredBackup, context: EngineContext): Promise<void> =>
  applyFiles(order, stored.manifest, context, (increment) => unpackInto(increment, stored, context));
