import { toErrorRecord } from '../../contract/errors/named-error.ts';
import type { ArchiveEnd, SetOrder, SetReport } from '../../contract/records/agent.ts';
import type { EngineContext } from '../engines/engine.ts';
import { type Archive, type ArchiveStanding, makeArchive } from '../engines/mysql/binlog/archive.ts';
import { type LogLook, type LogSource, openLogSource } from '../engines/mysql/binlog/log-source.ts';
import { makeSealer } from '../engines/mysql/binlog/segment-draft.ts';
import { resolveLogin } from '../engines/mysql/login.ts';
import type { Clock } from '../host/clock.ts';
import type { Store } from '../stream/store.ts';
import { openNotes } from './notes.ts';
import { makeStoreSegment, noteLost, noteOf, recoverArchive } from './store-segment.ts';

export type ArchiverParts = {
  hostId: string;
  runnerVersion: string;
  clock: Clock;
  context: EngineContext;
  stateDirectory: string;
  openStore: (order: SetOrder) => Store;
  /** Told after each tick that has stored a segment. */
  stored: () => void;
};

/** One server of this host: watched, and archived where the order says so. */
export type Archiver = {
  /** Milliseconds until the next tick. Never throws. */
  tick: () => Promise<number>;
  report: () => SetReport;
  close: () => Promise<void>;
};

/** Looks at a log come so often, in milliseconds: what MariaDB's times are bounded by, and half of the shortest interval. */
const lookMs = 1000;
/** A server that only is watched, and one whose log cannot be archived now. */
const watchMs = 15_000;
const again = 5000;

/** Makes the archiver of one order. A changed order gets a new one. */
export function makeArchiver(order: SetOrder, parts: ArchiverParts): Archiver {
  const { clock, context } = parts;
  const log: EngineContext['log'] = (message, facts = {}) =>
    context.log(message, { clusterId: order.clusterId, memberId: order.member.memberId, ...facts });
  let source: LogSource | undefined;
  let store: Store | undefined;
  let archive: Archive | undefined;
  let look: LogLook | undefined;
  let unreachable = '';
  let standing: ArchiveStanding | undefined;
  let newest: ArchiveEnd | null = order.archive?.after ?? null;

  const openArchive = async (of: LogSource): Promise<Archive | undefined> => {
    const { archive: ordered } = order;
    if (ordered === null) return undefined;
    store ??= parts.openStore(order);
    const notes = openNotes(parts.stateDirectory, `${order.clusterId}.${order.set}.${order.member.memberId}`);
    const kept = { order, notes, putObject: store.putObject, signal: context.signal };
    newest = await recoverArchive(kept);
    return makeArchive({
      order: { ...order, archive: ordered },
      hostId: parts.hostId,
      runnerVersion: parts.runnerVersion,
      newest,
      source: of,
      lost: (await noteOf(kept))?.lost,
      lose: (reason) => noteLost(kept, newest, reason),
      seal: makeSealer(),
      store: makeStoreSegment(kept, newest),
      now: clock.now,
      monotonic: clock.monotonic,
    });
  };

  const work = async (): Promise<number> => {
    source ??= openLogSource(() => resolveLogin(order.member, context), context.signal);
    archive ??= await openArchive(source);
    if (archive === undefined) {
      look = await source.look();
      return watchMs;
    }
    const was = standing?.state;
    standing = await archive.tick();
    look = standing.look;
    // Only now the standing says what has become durable with it.
    const stored = standing.newest?.key !== newest?.key;
    newest = standing.newest;
    if (stored) parts.stored();
    if (standing.state !== was) log('archive', { state: standing.state, reason: standing.reason });
    if (standing.state === 'failing') return again;
    return standing.state === 'archiving' ? lookMs : watchMs;
  };

  return {
    tick: async () => {
      try {
        const wait = await work();
        unreachable = '';
        return wait;
      } catch (thrown) {
        const { name, cause } = toErrorRecord(thrown);
        if (unreachable === '') log('the server or the store cannot be reached', { error: name, cause });
        unreachable = `${name}: ${cause}`;
        return again;
      }
    },
    report: () => ({
      clusterId: order.clusterId,
      set: order.set,
      memberId: order.member.memberId,
      reachable: unreachable === '' && look !== undefined,
      role: look?.role ?? null,
      serverVersion: look?.version ?? '',
      serverUuid: look?.uuid ?? '',
      unfit: look?.unfit ?? [],
      gtid: look?.gtid ?? '',
      archive: order.archive && {
        timeline: order.archive.timeline,
        epoch: order.archive.epoch,
        state: standing === undefined || unreachable !== '' ? 'failing' : standing.state,
        reason: (unreachable || standing?.reason || '').slice(0, 1000),
        newest,
        durableAt: standing?.durableAt?.toISOString() ?? null,
      },
    }),
    close: async () => {
      await archive?.stop();
      await source?.close();
      await store?.close();
    },
  };
}
