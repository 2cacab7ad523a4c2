import { randomBytes } from 'node:crypto';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { EngineContext, RestoredTables, StoredFiles } from '../../engine.ts';
import { thisRunner } from '../applier-marker.ts';
import { loadTables } from '../logical/restore/load-tables.ts';
import { prepare } from '../restore/prepare.ts';
import { bringTables } from './bring.ts';
import { proveTables, removeScratch, withScratch } from './scratch.ts';
import { isLeftOut } from './table-set.ts';
import { writeNote } from './tables-note.ts';
import { unpackTables } from './unpack.ts';
import type { WorkingTable } from './working-tables.ts';

async function unpackAndPrepare(
  order: RestoreTablesOrder,
  stored: StoredFiles,
  context: EngineContext,
  timed: <T>(phase: string, step: () => Promise<T>) => Promise<T>,
): Promise<number> {
  const { manifest } = stored;
  const { bytes } = await timed('unpacking', () => unpackTables(order, stored, context));
  await timed('preparing', () => prepare(order, manifest, context, isLeftOut(order, manifest)));
  return bytes;
}

/** Reads, prepares and proves the tables in a scratch instance, and brings them beside the live ones; the instance goes. */
export async function restoreTables(
  order: RestoreTablesOrder,
  stored: StoredFiles,
  context: EngineContext,
  stateDirectory: string,
  timed: <T>(phase: string, step: () => Promise<T>) => Promise<T>,
): Promise<RestoredTables> {
  const { manifest } = stored;
  const { target, member } = order;
  const id = randomBytes(6).toString('hex');
  const working = order.tables.map(
    ({ schema, as }, i): WorkingTable => ({ schema, table: `holdfast_${id}_${i}`, as }),
  );
  const removeNote = await writeNote(stateDirectory, id, {
    v: 1,
    backupId: order.backupId,
    directory: target.directory,
    member,
    working: working.map(({ schema, table }) => ({ schema, table })),
    runner: thisRunner(),
  });
  // Rows of a dump stand without those that they point to.
  const proven = manifest.plan.method === 'logical' ? { ...order, ancestors: [] } : order;
  let left = false;
  try {
    const bytes =
      manifest.plan.method === 'logical'
        ? (await timed('unpacking', () => loadTables(order, stored, context))).bytes
        : await unpackAndPrepare(order, stored, context, timed);
    return await withScratch(order, manifest, context, async (scratch) => {
      const { comparison, fingerprint } = await timed('proving', () =>
        proveTables(proven, manifest, scratch, context),
      );
      const tables = await timed('bringing', () =>
        bringTables(order, working, fingerprint.tables, scratch, context, () => {
          left = true;
        }),
      );
      return { comparison, tables, bytes, position: manifest.position };
    });
  } finally {
    await removeScratch(target.directory);
    if (!left) await removeNote();
  }
}
