import { NamedError } from '../../../../contract/errors/named-error.ts';
import { followsInName, gtidContains } from '../../../../contract/formats/segment-chain.ts';
import type { ArchiveEnd } from '../../../../contract/records/agent.ts';
import { type GtidHistory, makeGtidHistory } from './gtid-history.ts';
import {
  crcOfRange,
  type FileHead,
  type LogFile,
  openAtHead,
  openLogFile,
  readBytes,
  readFileHead,
} from './log-file.ts';
import type { LogLook } from './log-source.ts';
import { makeBinlogParser } from './parser.ts';

/** Where archiving goes on: a file, an offset in it, and where the log stood there. */
export type LogPlace = {
  file: LogFile;
  head: FileHead;
  /** First byte that is not archived. */
  from: number;
  /** Where to begin reading: `from`, or before it the transaction that is open there. */
  parseFrom: number;
  gtid: string;
  /** It is entered inside, and what was archived before is not of it. */
  entered: boolean;
};

export type Placed = { placed: LogPlace } | { behind: string };

const atHead = async (look: LogLook, name: string): Promise<LogPlace> => {
  const { file, head } = await openAtHead(look.directory, name, look);
  return { file, head, from: 0, parseFrom: 0, gtid: head.gtid, entered: false };
};

/** A new archive begins with the file that still reaches back to `anchor`, else with the open one. */
export async function placeNew(look: LogLook, anchor: string | null): Promise<LogPlace> {
  if (anchor !== null) {
    for (const name of look.files.toReversed()) {
      const place = await atHead(look, name);
      if (gtidContains(look.flavour, anchor, place.gtid)) return place;
      await place.file.close();
    }
  }
  return atHead(look, look.at.file);
}

const deadBranch = (why: string, facts: Record<string, string | number> = {}) =>
  new NamedError('Log.DeadBranch', why, facts);

/** Goes on behind what this very server's log was archived to, once that is proved to be still what it was (M02). */
async function placeOnSameServer(look: LogLook, after: ArchiveEnd): Promise<LogPlace> {
  const { file: name, from, to, crc } = after.log;
  const listed = look.files.indexOf(name);
  if (listed < 0) return placeBehindPurged(look, after);
  const file = await openLogFile(look.directory, name);
  try {
    const size = name === look.at.file ? look.at.offset : await file.size();
    if (size < to) {
      const what = `${name} has ${size} bytes, and ${to} were archived: the server has lost what it had shown`;
      throw deadBranch(what, { file: name, bytes: size, archived: to });
    }
    const found = await crcOfRange(file, from, to);
    if (found !== crc) {
      throw deadBranch(`bytes ${from} to ${to} of ${name} are others than those archived`, { file: name });
    }
    const head = await readFileHead(file, look);
    const parseFrom = after.openAfter?.at ?? to;
    return { file, head, from: to, parseFrom, gtid: after.end.gtid, entered: false };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The file that the archive ends in is gone: what follows it must say that nothing lies between. */
async function placeBehindPurged(look: LogLook, after: ArchiveEnd): Promise<LogPlace> {
  const next = look.files.find((name) => number(name) > number(after.log.file));
  if (next === undefined) {
    throw deadBranch(`the server's log ends with ${look.at.file}, and ${after.log.file} was archived`);
  }
  const place = await atHead(look, next);
  const joined = look.gtids || (after.log.last && followsInName(after.log.file, next));
  if (place.gtid === after.end.gtid && after.openAfter === null && joined) return place;
  await place.file.close();
  // A log that does not have what is archived is no later part of it: it has begun anew.
  const lost = !gtidContains(look.flavour, place.gtid, after.end.gtid);
  throw new NamedError(
    lost ? 'Log.DeadBranch' : 'Log.Gap',
    `archived up to ${after.log.file} ${after.log.to} (${after.end.gtid}); the server's oldest log ${next} begins at ${place.gtid}`,
    { file: after.log.file, offset: after.log.to, oldest: next },
  );
}

const number = (file: string) => Number(/(\d+)$/.exec(file)?.[1] ?? 0);

/**
 * Finds in another member's log the boundary behind which nothing is archived yet. GTIDs that this log gave to other
 * transactions mean another history.
 */
async function placeOnOtherServer(look: LogLook, after: ArchiveEnd): Promise<Placed> {
  const { gtid } = after.end;
  if (!look.gtids) {
    const message = 'without GTIDs the log of another server cannot be joined to what is archived';
    throw new NamedError('Log.Gap', message, { archived: after.serverUuid, server: look.uuid });
  }
  if (after.openAfter !== null) {
    throw new NamedError('Log.Gap', 'the archive ends in the middle of a transaction of another member', {});
  }
  let place: LogPlace | undefined;
  for (const name of look.files.toReversed()) {
    place = await atHead(look, name);
    if (gtidContains(look.flavour, gtid, place.gtid)) break;
    await place.file.close();
    place = undefined;
  }
  if (place === undefined) {
    throw new NamedError('Log.Gap', `the log of this member begins behind ${gtid}, where the archive ends`, {
      oldest: look.files[0] ?? '',
    });
  }
  await place.file.close();
  const history = makeGtidHistory(look.flavour, gtid, place.gtid);
  const cut = await findCut(look, look.files.slice(look.files.indexOf(place.file.name)), history);
  if (cut !== undefined) return { placed: await enterAt(look, cut) };
  const missing = history.missing();
  if (history.passed()) throw deadBranch(`this member has later transactions, but not ${missing}`);
  if (look.role === 'replica') return { behind: `this member has not yet ${missing}` };
  throw deadBranch(`this member is the ${look.role} and has no transaction ${missing}, which is archived`);
}

type Cut = { file: string; at: number };

/**
 * The boundary before the first transaction that is not archived, where the log holds everything that is; undefined
 * where it does not. Where domains lie in another order than in the archive, some that are archived follow the cut.
 */
async function findCut(
  look: LogLook,
  names: readonly string[],
  history: GtidHistory,
): Promise<Cut | undefined> {
  let cut: Cut | undefined;
  let end: Cut | undefined;
  for (const name of names) {
    const file = await openLogFile(look.directory, name);
    try {
      const limit = name === look.at.file ? look.at.offset : await file.size();
      const parser = makeBinlogParser(
        { from: 0, flavour: look.flavour },
        {
          transaction: ({ gtid, at }) => {
            if (history.add(gtid) === 'beyond') cut ??= { file: name, at };
            return cut !== undefined && history.complete() ? 'stop' : undefined;
          },
        },
      );
      for (let at = 0; at < limit; ) {
        const bytes = await file.read(at, Math.min(readBytes, limit - at));
        if (bytes.length === 0) break;
        at += parser.push(bytes);
        if (cut !== undefined && history.complete()) return cut;
      }
      end = { file: name, at: parser.boundary() };
    } finally {
      await file.close();
    }
  }
  return history.complete() ? (cut ?? end) : undefined;
}

/** Opens a file at a boundary of transactions and finds out where the log stood there. */
async function enterAt(look: LogLook, { file: name, at: from }: Cut): Promise<LogPlace> {
  const { file, head } = await openAtHead(look.directory, name, look);
  const parser = makeBinlogParser(
    { from: 0, flavour: look.flavour },
    { transaction: ({ at, bytes }) => (at + bytes >= from ? 'stop' : undefined) },
  );
  for (let at = 0; at < from; ) {
    const bytes = await file.read(at, Math.min(readBytes, from - at));
    const taken = parser.push(bytes);
    at += taken;
    if (bytes.length === 0 || taken < bytes.length) break;
  }
  const whole = from <= head.bytes.length;
  return {
    file,
    head,
    from: whole ? 0 : from,
    parseFrom: whole ? 0 : from,
    gtid: whole ? head.gtid : parser.gtid(),
    entered: !whole,
  };
}

/** Where the archive that ends at `after` goes on in this member's log. Throws `Log.Gap`, `Log.DeadBranch`. */
export async function placeAfter(look: LogLook, after: ArchiveEnd): Promise<Placed> {
  if (look.gtids === (after.anonymous === true)) {
    const was = after.anonymous ? 'without' : 'with';
    const message = `archived is a log ${was} GTIDs, and gtid_mode was changed since: they cannot be joined`;
    throw deadBranch(message, { file: after.log.file });
  }
  if (after.serverUuid === look.uuid) return { placed: await placeOnSameServer(look, after) };
  return placeOnOtherServer(look, after);
}
