import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NamedError } from '../../../../../contract/errors/named-error.ts';
import type { RestoreOrder } from '../../../../../contract/records/job.ts';
import type { EngineContext, StoredBackup } from '../../../engine.ts';
import {
  markerPath,
  stagingDirectory,
  temporaryDirectory,
  writeRestoreMarker,
} from '../../restore/marker.ts';
import { makeStaging } from '../../restore/unpack.ts';
import { type Definition, encodeDefinitions } from '../definition.ts';
import { type Loaders, openLoaders } from './loaders.ts';
import { installServer, loadingConfig, withLoadingServer } from './new-server.ts';
import { makeArchiveReader } from './read-archive.ts';
import { beginDefining, runDefinition } from './run-definitions.ts';
import { splitIndexes } from './table-indexes.ts';

/** Connections that load at once: more than the cores of a small host only wait for each other. */
const loadersAtOnce = 4;

/** Definitions for the second half of the work; like the option file they are the runner's and go with its end. */
export const keptDefinitions = (directory: string) => join(directory, 'holdfast-definitions.jsonl');

/** Removes what a restore that failed has made. */
export async function removeLoaded(directory: string): Promise<void> {
  for (const path of [
    stagingDirectory(directory),
    temporaryDirectory(directory),
    loadingConfig(directory),
    keptDefinitions(directory),
    markerPath(directory),
  ]) {
    await rm(path, { recursive: true, force: true });
  }
}

/** Sequences and tables without their secondary indexes. */
async function makeTables(
  session: Parameters<typeof runDefinition>[0],
  definitions: readonly Definition[],
): Promise<void> {
  await beginDefining(session);
  for (const definition of definitions) {
    if (definition.kind === 'database' || definition.kind === 'sequence')
      await runDefinition(session, definition);
    if (definition.kind === 'table') {
      await runDefinition(session, { ...definition, sql: splitIndexes(definition).create });
    }
  }
}

/**
 * Makes an empty server, the tables, and loads every row while the archive is read: nothing of it is put on disk first.
 * On failure nothing stays.
 */
export async function loadLogical(
  order: RestoreOrder,
  stored: StoredBackup,
  context: EngineContext,
): Promise<void> {
  const { directory } = order.target;
  const { manifest } = stored;
  await makeStaging(order.target);
  const who = { clusterId: order.clusterId, backupId: order.backupId };
  const expected = stored.streams.reduce((sum, stream) => sum + stream.bytes, 0);
  const flavour = manifest.flavour === 'mariadb' ? 'mariadb' : 'mysql';
  try {
    await writeRestoreMarker(directory, { ...who, state: 'unpacking' });
    await installServer(order, manifest, context);
    await withLoadingServer(order, manifest, context, async (session, socket) => {
      let loaders: Loaders | undefined;
      let rows = 0;
      const reader = makeArchiveReader({
        definitions: async (definitions) => {
          await writeFile(keptDefinitions(directory), encodeDefinitions(definitions), {
            mode: 0o600,
            flag: 'wx',
          });
          await makeTables(session, definitions);
          loaders = await openLoaders(socket, loadersAtOnce, flavour, context.signal);
        },
        statement: async ({ schema }, sql) => {
          await loaders!.load(schema, sql, (made) => {
            rows += made;
          });
        },
      });
      try {
        let done = 0;
        for await (const bytes of stored.read('main')) {
          context.signal.throwIfAborted();
          done += bytes.length;
          await reader.push(bytes);
          stored.done(bytes);
          context.progress('loading', done, expected);
        }
        reader.end();
        await loaders?.finish();
      } finally {
        await loaders?.close();
      }
      const { metrics } = manifest;
      if (rows !== metrics.rows || reader.files() !== metrics.files) {
        throw new NamedError(
          'Restore.StreamDamaged',
          `${rows} rows of ${reader.files()} files were loaded, the manifest says ${metrics.rows} of ${metrics.files}`,
          { rows, files: reader.files() },
        );
      }
    });
    await writeRestoreMarker(directory, { ...who, state: 'unpacked' });
  } catch (error) {
    await removeLoaded(directory);
    const { errno, code } = error as { errno?: number; code?: string };
    // 1021 and 1114: the server's words for a disk that is full.
    if (code === 'ENOSPC' || errno === 1021 || errno === 1114) {
      throw new NamedError(
        'Restore.NoSpace',
        `the disk of ${directory} became full while the backup was loaded; a restore needs ${manifest.restore.bytes} bytes. What was loaded is removed`,
        { directory, bytes: manifest.restore.bytes },
        { cause: error },
      );
    }
    if (error instanceof NamedError || errno === undefined) throw error;
    throw new NamedError(
      'Restore.PrepareFailed',
      `the server did not take a statement: ${(error as Error).message}`.slice(0, 2000),
      { errno },
      { cause: error },
    );
  }
}
