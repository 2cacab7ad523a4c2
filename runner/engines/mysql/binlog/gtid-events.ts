import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { Xa } from '../../../../contract/formats/segment.ts';
import type { BinlogEvent } from './event-reader.ts';
import type { Gtid } from './gtid-state.ts';

/** What the event says that begins a transaction. */
export type TransactionHead = {
  /** Null for MySQL's anonymous transactions. */
  gtid: Gtid | null;
  /** MariaDB says that one statement is all of it; MySQL leaves that to be seen. */
  standalone: boolean | null;
  /** Microseconds since 1970, where the event says when the transaction was committed here. */
  committed: number | null;
  ddl: boolean;
  xa: Xa | null;
};

const tooShort = (event: BinlogEvent) =>
  new NamedError('Log.Damaged', `at offset ${event.at}: the event ${event.name} is too short`, {
    offset: event.at,
  });

/** `X'…',X'…',format`, as the server writes it into XA statements. */
export const xaId = (global: Buffer, branch: Buffer, format: number) =>
  `X'${global.toString('hex')}',X'${branch.toString('hex')}',${format}`;

const flag = { standalone: 1, groupCommitId: 2, ddl: 32, preparedXa: 64, completedXa: 128 };

/** MariaDB's Gtid_log_event (log_event.cc): sequence, domain, flags, then what the flags name. */
export function readMariadbGtid(event: BinlogEvent): TransactionHead {
  const { body, serverId } = event;
  if (body.length < 13) throw tooShort(event);
  const flags = body[12]!;
  const gtid = { source: String(body.readUInt32LE(8)), server: serverId, number: body.readBigUInt64LE(0) };
  const prepared = (flags & flag.preparedXa) !== 0;
  const completed = (flags & flag.completedXa) !== 0;
  let xa: Xa | null = null;
  if (prepared || completed) {
    const at = 13 + ((flags & flag.groupCommitId) !== 0 ? 8 : 0);
    if (body.length < at + 6) throw tooShort(event);
    const [global, branch] = [body[at + 4]!, body[at + 5]!];
    if (body.length < at + 6 + global + branch) throw tooShort(event);
    const data = body.subarray(at + 6);
    const id = xaId(data.subarray(0, global), data.subarray(global, global + branch), body.readUInt32LE(at));
    // Whether it ends in commit or rollback, the statement says.
    xa = { id, does: prepared ? 'prepare' : 'commit' };
  }
  return {
    gtid,
    standalone: (flags & flag.standalone) !== 0,
    committed: null,
    ddl: (flags & flag.ddl) !== 0,
    xa,
  };
}

/** 7 bytes, the highest bit taken off. */
const microseconds = (body: Buffer, at: number) => body.readUIntLE(at, 6) + (body[at + 6]! & 0x7f) * 2 ** 48;

let lastUuid: { bytes: Buffer; text: string } = { bytes: Buffer.alloc(0), text: '' };

/** Most transactions in a row are of one server. */
function uuidText(bytes: Buffer): string {
  if (lastUuid.bytes.equals(bytes)) return lastUuid.text;
  const hex = bytes.toString('hex');
  const text = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
    '-',
  );
  lastUuid = { bytes: Buffer.from(bytes), text };
  return text;
}

/**
 * MySQL's Gtid_event and Anonymous_gtid_event (control_events.h): flags, uuid, number, logical times, and since 8.0.1
 * the time of the commit here.
 */
export function readMysqlGtid(event: BinlogEvent): TransactionHead {
  const { body } = event;
  if (body.length < 25) throw tooShort(event);
  const gtid = {
    source: uuidText(body.subarray(1, 17)),
    server: event.serverId,
    number: body.readBigUInt64LE(17),
  };
  return {
    gtid: event.name === 'anonymousGtid' ? null : gtid,
    standalone: null,
    committed: body.length >= 49 && body[25] === 2 ? microseconds(body, 42) : null,
    ddl: false,
    xa: null,
  };
}

/**
 * A number of MySQL's serialization library (libs/mysql/serialization): the ones at the end of the first byte are how
 * many more bytes it has, the bits above the next zero its value; with eight ones all of the next eight bytes are.
 */
function variableNumber(body: Buffer, at: number): { value: bigint; next: number } {
  const first = body[at] ?? 0;
  let more = 0;
  while (more < 8 && (first >> more) & 1) more++;
  const next = at + 1 + more;
  if (next > body.length) throw new RangeError('the number ends behind the event');
  let value = 0n;
  for (let i = next - 1; i > at; i--) value = (value << 8n) | BigInt(body[i]!);
  if (more < 8) value = (value << BigInt(7 - more)) | BigInt(first >> (more + 1));
  return { value, next };
}

const signed = (value: bigint) => (value & 1n ? -(value >> 1n) - 1n : value >> 1n);

/** Fields of a tagged GTID in their order, from the first on (control_events.h); those behind are not looked at. */
const taggedFields = {
  flags: 0n,
  uuid: 1n,
  number: 2n,
  tag: 3n,
  lastCommitted: 4n,
  sequence: 5n,
  committed: 6n,
};

/** MySQL's Gtid_tagged_log_event (8.3): a message of fields, each behind its number. */
export function readTaggedGtid(event: BinlogEvent): TransactionHead {
  const { body } = event;
  // The version of the format, the size, and which field must be understood.
  let at = 0;
  const read = () => {
    const { value, next } = variableNumber(body, at);
    at = next;
    return value;
  };
  try {
    for (let i = 0; i < 3; i++) read();
    const uuid = Buffer.alloc(16);
    let [number, tag, committed] = [0n, '', null as number | null];
    while (at < body.length) {
      const field = read();
      if (field === taggedFields.uuid) {
        for (let i = 0; i < uuid.length; i++) uuid[i] = Number(read());
      } else if (field === taggedFields.tag) {
        const length = Number(read());
        tag = body.toString('latin1', at, at + length);
        at += length;
      } else if (field === taggedFields.number) {
        number = signed(read());
      } else if (field === taggedFields.committed) {
        committed = Number(read());
        break;
      } else if (field > taggedFields.committed) {
        break;
      } else {
        read();
      }
    }
    if (number < 1n || at > body.length) throw new RangeError('it is not whole');
    const source = tag === '' ? uuidText(uuid) : `${uuidText(uuid)}:${tag}`;
    const gtid = { source, server: event.serverId, number };
    return { gtid, standalone: null, committed, ddl: false, xa: null };
  } catch (error) {
    if (error instanceof RangeError) throw tooShort(event);
    throw error;
  }
}

/** MariaDB's Gtid_list: where the log stood before this file, per domain; the last entry of a domain is its newest. */
export function readGtidList(event: BinlogEvent): string {
  const { body } = event;
  if (body.length < 4) throw tooShort(event);
  const count = body.readUInt32LE(0) & 0x0fffffff;
  if (body.length < 4 + count * 16) throw tooShort(event);
  const last = new Map<number, string>();
  for (let i = 0; i < count; i++) {
    const at = 4 + i * 16;
    const domain = body.readUInt32LE(at);
    last.set(domain, `${domain}-${body.readUInt32LE(at + 4)}-${body.readBigUInt64LE(at + 8)}`);
  }
  return [...last]
    .sort(([a], [b]) => a - b)
    .map(([, text]) => text)
    .join(',');
}

/**
 * MySQL's Previous_gtids: the set of everything in the files before this one. Its last byte of the count says whether
 * a tag stands behind each uuid (8.3), and then the first says so too.
 */
export function readPreviousGtids(event: BinlogEvent): string {
  const { body } = event;
  if (body.length < 8) throw tooShort(event);
  const tagged = body[7] === 1;
  if (!tagged && body[7] !== 0) {
    throw new NamedError('Log.Unsupported', `the log tells what is before it in the form ${body[7]}`);
  }
  const sources = tagged ? body.readUIntLE(1, 6) : Number(body.readBigUInt64LE(0));
  let at = 8;
  const parts: string[] = [];
  try {
    for (let i = 0; i < sources; i++) {
      let source = uuidText(body.subarray(at, at + 16));
      at += 16;
      if (tagged) {
        const length = variableNumber(body, at);
        at = length.next + Number(length.value);
        if (length.value > 0n) source += `:${body.toString('latin1', length.next, at)}`;
      }
      const intervals = Number(body.readBigUInt64LE(at));
      at += 8;
      const numbers: string[] = [];
      for (let n = 0; n < intervals; n++, at += 16) {
        const first = body.readBigUInt64LE(at);
        const last = body.readBigUInt64LE(at + 8) - 1n;
        numbers.push(first === last ? `${first}` : `${first}-${last}`);
      }
      if (numbers.length > 0) parts.push(`${source}:${numbers.join(':')}`);
    }
  } catch (error) {
    if (error instanceof RangeError) throw tooShort(event);
    throw error;
  }
  return parts.join(',');
}

/** XA_prepare_log_event: one_phase, format, lengths, name. With one phase it is a commit. */
export function readXaPrepare(event: BinlogEvent): Xa | null {
  const { body } = event;
  if (body.length < 13) throw tooShort(event);
  const [global, branch] = [body.readUInt32LE(5), body.readUInt32LE(9)];
  if (body.length < 13 + global + branch) throw tooShort(event);
  if (body[0] !== 0) return null;
  const data = body.subarray(13);
  return {
    id: xaId(data.subarray(0, global), data.subarray(global, global + branch), body.readUInt32LE(1)),
    does: 'prepare',
  };
}
