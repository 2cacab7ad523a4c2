import { crc32 } from 'node:zlib';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { type EventName, eventFlags, eventName, eventTypes } from './event-types.ts';

/** One event of a log file. Offsets and lengths are those of the file, header and checksum included. */
export type BinlogEvent = {
  type: number;
  name: EventName;
  at: number;
  bytes: number;
  /** Seconds since 1970. */
  time: number;
  serverId: number;
  /** What is between header and checksum, or of a larger event its beginning; holds until the next event only. */
  body: Buffer;
  /** Whether `body` is all of it. */
  whole: boolean;
};

/** How the events of a file are checked, told by its format description. */
export type LogFormat = {
  checksum: 'crc32' | 'none';
  serverVersion: string;
  /** Events of a compressed transaction: what they say of their position counts for no file. */
  packed?: true;
};

export const headerBytes = 19;
export const magicBytes = 4;
const checksumBytes = 4;
const magic = 0xfe62696e;
/** MySQL writes this one in front of a log that it encrypts. */
const encryptedMagic = 0xfd62696e;
/** Larger events pass through with only so much of them held: names of tables and verbs are at the beginning. */
export const keptBytes = 64 * 1024;
/** GTID sets are needed whole; a set of this size names millions of intervals. */
const keptWhole = 64 * 1024 * 1024;

type Passing = {
  event: BinlogEvent;
  kept: Buffer[];
  keptLeft: number;
  left: number;
  crc: number;
  sum: Buffer;
};

/**
 * Splits the bytes of one log file into events and checks each: length, position, checksum. `take` answers `stop` where
 * the reader should not go beyond this event. Pure: no clock, no files; memory is bounded whatever the events are.
 * @param from offset of the first byte that is pushed: 0, or the beginning of an event of a file with this `format`
 * @param pass what comes of a compressed transaction that is not held whole, piece by piece
 */
export function makeEventReader(
  from: number,
  take: (event: BinlogEvent) => 'stop' | undefined,
  known?: LogFormat,
  pass: (event: BinlogEvent, piece: Buffer) => void = () => {},
) {
  let at = from;
  let format = known;
  let carry: Buffer = Buffer.alloc(0);
  let passing: Passing | undefined;

  const damaged = (what: string, where: number) =>
    new NamedError('Log.Damaged', `at offset ${where}: ${what}`, { offset: where });

  const readHead = (bytes: Buffer) => {
    const found = bytes.readUInt32BE(0);
    if (found === encryptedMagic) {
      throw new NamedError('Log.Encrypted', 'the server encrypts its binary logs (binlog_encryption)');
    }
    if (found !== magic) throw damaged('a binary log must begin with fe 62 69 6e', 0);
    at = magicBytes;
  };

  /** Everything of the header that can be wrong is found here, before a length is trusted. */
  const readHeader = (bytes: Buffer, i: number) => {
    const type = bytes[i + 4]!;
    const length = bytes.readUInt32LE(i + 9);
    const end = bytes.readUInt32LE(i + 13);
    const flags = bytes.readUInt16LE(i + 17);
    const name = eventName(type);
    const sum = format?.checksum === 'crc32' || type === eventTypes.formatDescription ? checksumBytes : 0;
    if (length < headerBytes + sum) throw damaged(`an event of ${length} bytes is too short`, at);
    // MariaDB sums up events before it knows their place, from 11.4 on (binlog_legacy_event_pos=OFF).
    const unplaced = format?.packed || (end === 0 && format?.serverVersion.includes('MariaDB'));
    if (!unplaced && (at + length) % 2 ** 32 !== end) {
      throw damaged(`the event says that it ends at ${end}, its length says ${at + length}`, at);
    }
    if (name === undefined && (flags & eventFlags.ignorable) === 0) {
      throw new NamedError('Log.Unsupported', `at offset ${at}: events of type ${type} are not known here`, {
        offset: at,
        type,
      });
    }
    if (format === undefined && type !== eventTypes.formatDescription) {
      throw damaged('the first event must be a format description', at);
    }
    return {
      event: {
        type,
        name: name ?? 'ignorable',
        at,
        bytes: length,
        time: bytes.readUInt32LE(i),
        serverId: bytes.readUInt32LE(i + 5),
        body: Buffer.alloc(0) as Buffer,
        whole: true,
      } satisfies BinlogEvent,
      sum,
    };
  };

  const readFormat = (event: BinlogEvent, bytes: Buffer) => {
    const { body } = event;
    // Version, 50 bytes of server version, time, length of headers; the lengths by type; one byte names the checksum.
    if (body.length < 58) throw damaged('the format description is too short', event.at);
    if (body.readUInt16LE(0) !== 4 || body[56] !== headerBytes) {
      throw new NamedError('Log.Unsupported', `binary logs of version ${body.readUInt16LE(0)} are not read`);
    }
    const algorithm = body.at(-1)!;
    if (algorithm > 1) {
      throw new NamedError(
        'Log.Unsupported',
        `events are checked by method ${algorithm}, only CRC32 is known`,
      );
    }
    if (algorithm === 1) {
      // The server sets the flag in the open file without computing the checksum again.
      const clean = Buffer.from(bytes);
      clean[17]! &= ~eventFlags.inUse;
      check(event, crc32(clean.subarray(0, -checksumBytes)), clean.subarray(-checksumBytes));
    }
    const version = body.subarray(2, 52);
    const end = version.indexOf(0);
    format = {
      checksum: algorithm === 1 ? 'crc32' : 'none',
      serverVersion: version.subarray(0, end < 0 ? undefined : end).toString('latin1'),
    };
  };

  const check = (event: BinlogEvent, crc: number, sum: Buffer) => {
    if (sum.readUInt32LE(0) === crc) return;
    throw damaged(`the checksum of an event (${event.name}) is wrong`, event.at);
  };

  const deliver = (event: BinlogEvent) => {
    at = event.at + event.bytes;
    return take(event) === 'stop';
  };

  /** Takes what there is of an event that is not held whole; true once it is complete and the reader shall stop. */
  const passOn = (bytes: Buffer, of: Passing): { taken: number; stop: boolean } => {
    const part = bytes.subarray(0, of.left);
    of.left -= part.length;
    const summed = format!.checksum === 'crc32' ? checksumBytes : 0;
    // The last four bytes may come in pieces.
    const held = Buffer.concat([of.sum, part.length > summed ? part.subarray(-summed || part.length) : part]);
    const body = Buffer.concat([of.sum, part]);
    of.sum = summed === 0 ? held.subarray(0, 0) : Buffer.from(held.subarray(-summed));
    const content = body.subarray(0, body.length - of.sum.length);
    if (summed > 0) of.crc = crc32(content, of.crc);
    if (of.event.type === eventTypes.transactionPayload) pass(of.event, content);
    if (of.keptLeft > 0) {
      const keep = Buffer.from(content.subarray(0, of.keptLeft));
      of.kept.push(keep);
      of.keptLeft -= keep.length;
    }
    if (of.left > 0) return { taken: part.length, stop: false };
    if (summed > 0) check(of.event, of.crc, of.sum);
    passing = undefined;
    const body0 = Buffer.concat(of.kept);
    const whole = body0.length === of.event.bytes - headerBytes - summed;
    return { taken: part.length, stop: deliver({ ...of.event, body: body0, whole }) };
  };

  /**
   * Takes the next bytes of the file. Answers how many were taken: all, or up to the end of the event at which to
   * stop; the rest is to be pushed again. Throws `Log.Damaged`, `Log.Encrypted`, `Log.Unsupported`.
   */
  const push = (chunk: Buffer): number => {
    const before = carry.length;
    const bytes = before > 0 ? Buffer.concat([carry, chunk]) : chunk;
    carry = Buffer.alloc(0);
    let i = 0;
    while (i < bytes.length) {
      if (passing !== undefined) {
        const { taken, stop } = passOn(bytes.subarray(i), passing);
        i += taken;
        if (stop) return i - before;
        continue;
      }
      if (at === 0 && !format?.packed) {
        if (bytes.length - i < magicBytes) break;
        readHead(bytes.subarray(i));
        i += magicBytes;
        continue;
      }
      if (bytes.length - i < headerBytes) break;
      const { event, sum } = readHeader(bytes, i);
      const limit = wholeEvents.has(event.type) ? keptWhole : keptBytes;
      if (event.bytes > limit && event.bytes > bytes.length - i) {
        const header = bytes.subarray(i, i + headerBytes);
        const crc = format!.checksum === 'crc32' ? crc32(header) : 0;
        const left = event.bytes - headerBytes;
        passing = { event, kept: [], keptLeft: limit, left, crc, sum: Buffer.alloc(0) };
        i += headerBytes;
        continue;
      }
      if (bytes.length - i < event.bytes) break;
      const all = bytes.subarray(i, i + event.bytes);
      event.body = all.subarray(headerBytes, event.bytes - sum);
      if (event.type === eventTypes.formatDescription) {
        if (at !== magicBytes) throw damaged('a format description must be the first event of its file', at);
        readFormat(event, all);
      } else if (sum > 0) {
        check(event, crc32(all.subarray(0, -checksumBytes)), all.subarray(-checksumBytes));
      }
      i += event.bytes;
      if (deliver(event)) return i - before;
    }
    carry = Buffer.from(bytes.subarray(i));
    return chunk.length;
  };

  return {
    push,
    /** Offset behind the last complete event. */
    at: () => at,
    format: () => format,
    /** Bytes that are held of an event that is not complete. */
    held: () => carry.length + (passing ? Math.min(keptBytes, passing.event.bytes) : 0),
    /** Whether the bytes so far end in the middle of an event. */
    midEvent: () => carry.length > 0 || passing !== undefined,
  };
}

/** Events that are of no use in part. */
const wholeEvents = new Set<number>([
  eventTypes.formatDescription,
  eventTypes.previousGtids,
  eventTypes.gtidList,
  eventTypes.gtid,
  eventTypes.mariadbGtid,
]);
