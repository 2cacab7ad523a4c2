import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { TableFingerprint } from '../../../../contract/formats/fingerprint.ts';
import { tableKey, tableText } from '../../../../contract/mysql-files/relations.ts';
import type { RestoredTable, RestoreTablesOrder } from '../../../../contract/records/restore-tables.ts';
import type { EngineContext } from '../../engine.ts';
import { readUserTables } from '../fingerprint/user-tables.ts';
import { resolveLogin } from '../login.ts';
import { withSession } from '../session.ts';
import { readDefinition } from './definition.ts';
import { fillTable } from './fill-table.ts';
import { type Live, writeAsStored } from './live.ts';
import { inspectLive } from './live-member.ts';
import type { Scratch } from './scratch.ts';
import {
  besideOf,
  dropTables,
  dropUnlogged,
  nameTables,
  removeSpaceFiles,
  type WorkingTable,
} from './working-tables.ts';

/** Milliseconds that clearing away may take when the job has been told to end. */
const dropMs = 120_000;

/**
 * Brings the proven tables of the scratch instance beside those of the live member. They are filled under working names
 * and get their own all at once, in the end; whatever breaks, unfinished ones are dropped. The live tables are not
 * touched.
 * @param onLeft told where an unfinished table could not be dropped
 */
export async function bringTables(
  order: RestoreTablesOrder,
  working: readonly WorkingTable[],
  proven: readonly TableFingerprint[],
  scratch: Scratch,
  context: EngineContext,
  onLeft: () => void,
): Promise<RestoredTable[]> {
  const { member, target } = order;
  const login = await resolveLogin(member, context);
  return withSession(login, context.signal, async (session) => {
    const { facts, way, refusals } = await inspectLive(session, order);
    const [first] = refusals;
    if (first !== undefined) throw new NamedError(first.name, refusals.map((r) => r.cause).join('. '));
    await writeAsStored(session);
    const packetBytes = Number(facts.variables.max_allowed_packet ?? 16_777_216);
    const live: Live = { session, login, datadir: facts.datadir, packetBytes };
    const there = await readUserTables(scratch.session, order.tables);
    const sources = new Map(there.map((table) => [tableKey(table), table]));
    const recorded = new Map(proven.map((table) => [tableKey(table), table]));
    try {
      const restored: RestoredTable[] = [];
      for (const [i, wanted] of order.tables.entries()) {
        context.signal.throwIfAborted();
        const own = working[i]!;
        const definition = await readDefinition(scratch.session, sources.get(tableKey(wanted))!, own);
        const parts = { scratch, live, user: target.user, context };
        restored.push(await fillTable(definition, recorded.get(tableKey(wanted))!, own, way, parts));
      }
      context.signal.throwIfAborted();
      context.progress('naming the tables');
      await nameTables(session, login, working, context.signal);
      return restored;
    } catch (error) {
      const ended = AbortSignal.timeout(dropMs);
      const drop = async () => {
        await dropUnlogged(login, working.map(besideOf), ended);
        await dropTables(login, working, ended);
        await removeSpaceFiles(login, facts.datadir, [...working, ...working.map(besideOf)], ended);
      };
      await drop().catch((cause: Error) => {
        onLeft();
        if (!(error instanceof Error)) return;
        error.message += `; and ${working.map(tableText).join(', ')} could not be dropped (${cause.message}): the next job on this host tries again`;
      });
      throw error;
    }
  });
}
