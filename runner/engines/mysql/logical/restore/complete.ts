import { readFile, rm } from 'node:fs/promises';
import { NamedError } from '../../../../../contract/errors/named-error.ts';
import type { Manifest } from '../../../../../contract/formats/manifest.ts';
import type { RestoreOrder } from '../../../../../contract/records/job.ts';
import type { EngineContext } from '../../../engine.ts';
import { readRestoreMarker, writeRestoreMarker } from '../../restore/marker.ts';
import type { Session } from '../../session.ts';
import { type Definition, decodeDefinitions } from '../definition.ts';
import { addIndexes } from './add-indexes.ts';
import { keptDefinitions } from './load.ts';
import { loadingConfig, withLoadingServer } from './new-server.ts';
import { beginDefining, runDefinition } from './run-definitions.ts';

async function defineRest(session: Session, definitions: readonly Definition[]): Promise<void> {
  await beginDefining(session);
  for (const definition of definitions) {
    if (['routine', 'placeholder', 'view', 'trigger', 'event'].includes(definition.kind)) {
      await runDefinition(session, definition);
    }
  }
}

/**
 * Completes a loaded server: indexes and foreign keys, then what runs by itself, so that no trigger met a row that it
 * had met before; accounts last. They count from the server's next start on.
 */
export async function completeLogical(
  order: RestoreOrder,
  manifest: Pick<Manifest, 'flavour' | 'server'>,
  context: EngineContext,
): Promise<void> {
  const { directory } = order.target;
  const marker = await readRestoreMarker(directory);
  if (marker?.state !== 'unpacked') {
    throw new NamedError(
      'Restore.PrepareFailed',
      `${directory} is ${marker?.state ?? 'not marked'}, only what was just loaded is completed`,
      { directory },
    );
  }
  const definitions = decodeDefinitions(await readFile(keptDefinitions(directory)));
  await withLoadingServer(order, manifest, context, async (session, socket) => {
    await addIndexes(definitions, socket, context);
    const rows = definitions.filter(({ kind }) => kind === 'rows');
    const zones = rows.filter(({ name }) => name.startsWith('time_zone'));
    await beginDefining(session);
    for (const row of zones) await runDefinition(session, row);
    await defineRest(session, definitions);
    for (const row of rows) if (!zones.includes(row)) await runDefinition(session, row);
  });
  await rm(keptDefinitions(directory), { force: true });
  await rm(loadingConfig(directory), { force: true });
  await writeRestoreMarker(directory, {
    clusterId: order.clusterId,
    backupId: order.backupId,
    state: 'prepared',
  });
}
