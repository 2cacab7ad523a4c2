import { NamedError, toErrorRecord } from '../../../../contract/errors/named-error.ts';
import type { OpenTransaction } from '../../../../contract/formats/segment.ts';
import { followsInName, gtidContains } from '../../../../contract/formats/segment-chain.ts';
import {
  type ArchiveEnd,
  type ArchiveState,
  archiveEndOf,
  type SetOrder,
} from '../../../../contract/records/agent.ts';
import { openAtHead, readBytes } from './log-file.ts';
import { type LogPlace, placeAfter, placeNew } from './log-place.ts';
import type { LogLook, LogSource } from './log-source.ts';
import { beginReading, closed, gathered, noteLook, type Reading, replaced, takeBytes } from './reading.ts';
import { cutDraft, type SealedSegment, type Sealer } from './segment-draft.ts';

export type ArchiveOptions = {
  order: SetOrder & { archive: NonNullable<SetOrder['archive']> };
  hostId: string;
  runnerVersion: string;
  /** Where this archive is known to end: by the order, or by what this host noted since. */
  newest: ArchiveEnd | null;
  source: LogSource;
  /** Why this archive cannot go on, as was noted when it was seen. */
  lost: string | undefined;
  /** Notes that for good: no log will tell. */
  lose: (reason: string) => Promise<void>;
  seal: Sealer;
  /** Stores a segment for good; called with the next one only after it has come back. */
  store: (segment: SealedSegment) => Promise<void>;
  now: () => Date;
  monotonic: () => number;
};

export type ArchiveStanding = {
  state: ArchiveState;
  reason: string;
  newest: ArchiveEnd | null;
  /** Everything that was in the log at this time is stored. */
  durableAt: Date | null;
  look: LogLook | undefined;
};

/** A member that commits what it has written within this time lets the seal wait; longer, and the next tick tries again. */
const committedWithinMs = 2000;
const committedLookMs = 50;

/** Segments of one tick: where the log has much to catch up with, what is stored is told in between. */
const sealsPerTick = 20;

/**
 * Archives one set's log from one server, tick by tick: looks how far the server would send its log to a replica, reads
 * so far and no further (M02), seals at boundaries of transactions. After each new connection, and each change of role,
 * what was archived is proved to be in this server's log before a byte is added.
 */
export function makeArchive(options: ArchiveOptions) {
  const { order, source } = options;
  const { intervalSeconds, segmentBytes } = order.archive;
  let { newest, lost } = options;
  let reading: Reading | undefined;
  let before: LogLook | undefined;
  let sealedMs = options.monotonic();
  let sealsLeft = sealsPerTick;
  let standing: ArchiveStanding = {
    state: 'failing',
    reason: 'begins',
    newest,
    durableAt: null,
    look: undefined,
  };

  const begin = (place: LogPlace, openBefore: OpenTransaction | null): Reading =>
    beginReading(place, before!, openBefore, segmentBytes);

  const stop = async () => {
    const { file } = reading ?? {};
    reading = undefined;
    await file?.close();
  };

  /** Seals the draft up to `to` and stores it. False where the server has not yet committed all of it. */
  const sealAt = async (
    of: Reading,
    to: number,
    gtid: string,
    open: OpenTransaction | null,
    last: boolean,
  ) => {
    const look = before!;
    const began = options.monotonic();
    while (!(await source.committed(gtid))) {
      if (options.monotonic() - began > committedWithinMs) return false;
      await new Promise((resolve) => setTimeout(resolve, committedLookMs));
    }
    const { sealed, rest } = cutDraft(of.draft, to, gtid, open);
    const segment = await options.seal(sealed, {
      clusterId: order.clusterId,
      set: order.set,
      timeline: order.archive.timeline,
      seq: newest === null ? 0 : newest.seq + 1,
      memberId: order.member.memberId,
      hostId: options.hostId,
      epoch: order.archive.epoch,
      engine: 'mysql',
      server: { flavour: look.flavour, version: look.version, uuid: look.uuid, serverId: look.serverId },
      log: {
        file: of.file.name,
        last,
        checksum: of.checksum,
        ...(of.head === undefined ? {} : { head: of.head.toString('base64') }),
      },
      endGtid: gtid,
      openAfter: open,
      ...(look.gtids ? {} : { anonymous: true as const }),
      previous: newest === null ? null : { key: newest.key, crc: newest.crc },
      sealedAt: options.now().toISOString(),
      runnerVersion: options.runnerVersion,
    });
    await options.store(segment);
    newest = archiveEndOf(segment.header, segment.key, segment.crc.toString(16).padStart(8, '0'));
    of.head = undefined;
    of.draft = rest;
    sealsLeft -= 1;
    sealedMs = options.monotonic();
    return true;
  };

  /** A segment that is full, at the last boundary, or where one transaction fills it, in its middle. */
  const sealFull = async (of: Reading): Promise<boolean> => {
    if (closed(of) > 0) return sealAt(of, of.parser.boundary(), of.gtid(), null, false);
    const open = of.parser.open() ?? { gtid: '', at: of.parser.boundary() };
    return sealAt(of, of.draft.to, of.gtid(), open, false);
  };

  /** Reads a file up to `limit`. False where it has to wait for the server, or has done enough in this tick. */
  const readTo = async (of: Reading, limit: number, at: Date): Promise<boolean> => {
    if (of.readTo > limit) throw replaced(of, limit);
    while (of.readTo < limit) {
      if (sealsLeft <= 0) return false;
      const bytes = await of.file.read(of.readTo, Math.min(readBytes, limit - of.readTo));
      if (bytes.length === 0) throw replaced(of, limit);
      for (let i = 0; i < bytes.length; ) {
        i += await takeBytes(of, bytes.subarray(i));
        noteLook(of, at);
        while (gathered(of) >= segmentBytes) if (!(await sealFull(of))) return false;
      }
    }
    return true;
  };

  /** The file is complete: what is behind its last boundary was never sent to anybody, and never will be. */
  const finishFile = async (of: Reading, look: LogLook): Promise<boolean> => {
    if (closed(of) > 0 && !(await sealAt(of, of.parser.boundary(), of.gtid(), null, true))) return false;
    const next = look.files[look.files.indexOf(of.file.name) + 1]!;
    const gtid = of.gtid();
    const { file, head } = await openAtHead(look.directory, next, look);
    if (head.gtid !== gtid || (!look.gtids && !followsInName(of.file.name, next))) {
      await file.close();
      // Files between them were removed, or the server's log has begun anew.
      throw new NamedError(
        gtidContains(look.flavour, head.gtid, gtid) ? 'Log.Gap' : 'Log.DeadBranch',
        `${next} says that ${head.gtid || 'nothing'} is before it, ${of.file.name} ends at ${gtid || 'nothing'}`,
        { file: next, before: of.file.name },
      );
    }
    await of.file.close();
    reading = begin({ file, head, from: 0, parseFrom: 0, gtid, entered: false }, null);
    return true;
  };

  const place = async (look: LogLook): Promise<string | undefined> => {
    await stop();
    if (newest === null) {
      reading = begin(await placeNew(look, order.archive.anchor), null);
      return undefined;
    }
    const found = await placeAfter(look, newest);
    if ('behind' in found) return found.behind;
    reading = begin(found.placed, newest.serverUuid === look.uuid ? newest.openAfter : null);
    return undefined;
  };

  const work = async (): Promise<Omit<ArchiveStanding, 'newest' | 'look'>> => {
    // The clock first: what is committed while the server answers is not in this look, and nobody may say that it is.
    const at = options.now();
    const look = await source.look();
    sealsLeft = sealsPerTick;
    const same =
      before?.connection === look.connection && before.uuid === look.uuid && before.role === look.role;
    before = look;
    if (lost === undefined && look.unlogged.length > 0 && newest?.serverUuid === look.uuid) {
      lost = `what the server wrote since ${newest.seen} is not all in its log: ${look.unlogged.join('; ')}`;
      await options.lose(lost);
    }
    if (lost !== undefined) throw new NamedError('Log.DeadBranch', lost, { file: newest?.log.file ?? '' });
    if (look.unfit.length > 0) {
      await stop();
      return { state: 'refused', reason: look.unfit.join('; '), durableAt: standing.durableAt };
    }
    if (reading === undefined || !same) {
      const behind = await place(look);
      if (behind !== undefined) return { state: 'behind', reason: behind, durableAt: standing.durableAt };
    }
    let whole = false;
    for (;;) {
      const of = reading!;
      const open = of.file.name === look.at.file;
      if (open && (await of.file.removed())) throw replaced(of, look.at.offset);
      if (!(await readTo(of, open ? look.at.offset : await of.file.size(), at))) break;
      whole = open;
      if (open || sealsLeft <= 0 || !(await finishFile(of, look))) break;
    }
    const of = reading!;
    const due = options.monotonic() - sealedMs >= intervalSeconds * 1000;
    const first = of.draft.looks[0];
    if (first === undefined) sealedMs = options.monotonic();
    else if (due && closed(of) > 0) await sealAt(of, of.parser.boundary(), of.gtid(), null, false);
    const stored = whole && of.draft.looks.length === 0;
    return { state: 'archiving', reason: '', durableAt: stored ? at : standing.durableAt };
  };

  return {
    /** Looks, reads, seals what is due. Never throws: what broke is in the standing, and tried again with the next tick. */
    tick: async (): Promise<ArchiveStanding> => {
      try {
        standing = { ...(await work()), newest, look: before };
      } catch (thrown) {
        const { name, cause } = toErrorRecord(thrown);
        const state = ends[name] ?? 'failing';
        await stop();
        standing = {
          state,
          reason: `${name}: ${cause}`,
          newest,
          durableAt: standing.durableAt,
          look: before,
        };
      }
      return standing;
    },
    standing: () => standing,
    stop,
  };
}

/** What an error makes of an archive; all others are tried again. */
const ends: Readonly<Record<string, ArchiveState>> = {
  'Log.Gap': 'gap',
  'Log.DeadBranch': 'dead-branch',
  'Log.Encrypted': 'refused',
  'Log.Unsupported': 'refused',
  'Log.Damaged': 'refused',
};

export type Archive = ReturnType<typeof makeArchive>;
