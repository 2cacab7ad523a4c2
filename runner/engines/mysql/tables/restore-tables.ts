import { randomBytes } from 'node:crypto';
import type { Fingerprint } from '../../../../contract/formats/fingerprint.ts';
import type { RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { ArchivedLog, EngineContext, RestoredTables, StoredFiles } from '../../engine.ts';
import { thisRunner } from '../applier-marker.ts';
import { loadTables } from '../logical/restore/load-tables.ts';
import { proveAndReplay, withReadyLog } from '../replay/prove-and-replay.ts';
import { applyFiles } from '../restore/apply.ts';
import { type IsLeftOut, prepare } from '../restore/prepare.ts';
import { removeReplicationLeftovers } from '../restore/replication-leftovers.ts';
import { setMariadbPosition, setMysqlPosition } from '../restore/set-position.ts';
import type { Session } from '../session.ts';
import { workingName } from '../working-names.ts';
import { bringTables } from './bring.ts';
import { logOfTables, tableFilters } from './replay-tables.ts';
import {
  makeSchemas,
  makeScratch,
  proveTables,
  readReplayed,
  removeScratch,
  type Scratch,
  withScratch,
} from './scratch.ts';
import { isLeftOut, linksOfTables, type OpenLink, type TableLink } from './table-set.ts';
import { writeNote } from './tables-note.ts';
import { bytesOf, readLink, unpackTables } from './unpack.ts';
import { besideOf, type WorkingTable } from './working-tables.ts';

type Timed = <T>(phase: string, step: () => Promise<T>) => Promise<T>;

type Prepared = { bytes: number; isLeftOut?: IsLeftOut };

/** Reads and prepares what the backups have of the tables, base first. */
async function unpackAndPrepare(
  order: RestoreTablesOrder,
  { manifest }: StoredFiles,
  opened: readonly OpenLink[],
  context: EngineContext,
  timed: Timed,
): Promise<Prepared> {
  const [base, ...increments] = await linksOfTables(order, manifest, opened);
  const first = await base!.open();
  const last = increments.length === 0;
  const leftOut = (link: TableLink) => isLeftOut(link, !last);
  let { bytes } = await timed('unpacking', () => unpackTables(order, first, base!, last, context));
  await timed('preparing', () => prepare(order, first.manifest, context, leftOut(base!)));
  for (const [i, link] of increments.entries()) {
    await timed(`applying incremental ${i + 1} of ${increments.length}`, async () => {
      const stored = await link.open();
      const read = async (increment: string) => {
        const files = await readLink(increment, order, stored, link, i === increments.length - 1, context);
        bytes += bytesOf(files);
        return files;
      };
      await applyFiles(order, stored.manifest, context, read, leftOut(link));
    });
  }
  return { bytes, isLeftOut: leftOut(increments.at(-1) ?? base!) };
}

/**
 * Reads, prepares and proves the tables in a scratch instance, replays the log of them where a point is asked for, and
 * brings them beside the live ones; the instance goes.
 */
export async function restoreTables(
  order: RestoreTablesOrder,
  stored: StoredFiles,
  context: EngineContext,
  log: ArchivedLog | undefined,
  stateDirectory: string,
  timed: Timed,
  below: readonly OpenLink[] = [],
): Promise<RestoredTables> {
  const { manifest } = stored;
  const { target, member } = order;
  const id = randomBytes(6).toString('hex');
  const working = order.tables.map(
    ({ schema, as }, i): WorkingTable => ({ schema, table: workingName(id, i), as }),
  );
  const removeNote = await writeNote(stateDirectory, id, {
    v: 1,
    backupId: order.backupId,
    directory: target.directory,
    member,
    working: working.map(({ schema, table }) => ({ schema, table })),
    unlogged: working.map(besideOf),
    runner: thisRunner(),
  });
  let left = false;
  try {
    const { bytes, isLeftOut: missedOnPurpose }: Prepared =
      manifest.plan.method === 'logical'
        ? await timed('unpacking', () => loadTables(order, stored, context))
        : await unpackAndPrepare(order, stored, [...below, async () => stored], context, timed);
    const place = await makeScratch(order, manifest);
    const prove = (session: Session) =>
      timed('proving', () => proveTables(order, manifest, { session, staging: place.staging }, context));
    const bring = (scratch: Scratch, facts: Fingerprint) =>
      timed('bringing', () =>
        bringTables(order, working, facts.tables, scratch, context, () => {
          left = true;
        }),
      );
    if (log === undefined) {
      const proveAndBring = async (scratch: Scratch) => {
        const { comparison, fingerprint } = await prove(scratch.session);
        const tables = await bring(scratch, fingerprint);
        return { comparison, tables, bytes, position: manifest.position };
      };
      return await withScratch(place, context, proveAndBring, missedOnPurpose);
    }
    const ofTables = logOfTables(log, [...order.tables, ...order.ancestors]);
    if (manifest.flavour !== 'mariadb') {
      // In one go: without the files of other tables a shutdown of MySQL need not end well.
      return await withReadyLog(
        order,
        place,
        ofTables,
        context,
        tableFilters(order),
        ({ server, replay }) => {
          const replayAndBring = async (scratch: Scratch) => {
            const { session } = scratch;
            const { comparison } = await prove(session);
            await makeSchemas(session, manifest);
            await setMysqlPosition(session, manifest, place.staging, context.log);
            await session.run('SET GLOBAL super_read_only=OFF, GLOBAL read_only=OFF');
            const { reached } = await timed('replaying', () => replay(session));
            const tables = await bring(scratch, await readReplayed(order, manifest, scratch, context));
            return { comparison, tables, bytes, position: reached };
          };
          return withScratch(place, context, replayAndBring, missedOnPurpose, server);
        },
      );
    }
    const { proven, replay } = await timed('replaying', () =>
      proveAndReplay(
        order,
        place,
        ofTables,
        context,
        async (session) => {
          const found = await prove(session);
          await setMariadbPosition(session, manifest);
          await makeSchemas(session, manifest);
          return found;
        },
        tableFilters(order),
      ),
    );
    await removeReplicationLeftovers(place.staging);
    return await withScratch(place, context, async (scratch) => {
      const facts = await readReplayed(order, manifest, scratch, context);
      const tables = await bring(scratch, facts);
      return { comparison: proven.comparison, tables, bytes, position: replay.reached };
    });
  } finally {
    await removeScratch(target.directory);
    if (!left) await removeNote();
  }
}
