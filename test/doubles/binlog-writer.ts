import { constants, crc32, zstdCompressSync } from 'node:zlib';
import { eventTypes } from '../../runner/engines/mysql/binlog/event-types.ts';

const uuidBytes = (uuid: string) => Buffer.from(uuid.replaceAll('-', ''), 'hex');
const u16 = (n: number) => Buffer.of(n & 255, n >> 8);
const u32 = (n: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(n);
  return bytes;
};
const u64 = (n: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(n);
  return bytes;
};
/** A packed number, as the protocol has them. */
const packed = (n: number) => {
  if (n < 251) return Buffer.of(n);
  if (n < 65536) return Buffer.concat([Buffer.of(252), u16(n)]);
  return Buffer.concat([Buffer.of(254), u64(BigInt(n))]);
};
const field = (type: number, value: number) => {
  const bytes = packed(value);
  return Buffer.concat([packed(type), packed(bytes.length), bytes]);
};

/** A compressed transaction as MySQL writes it: fields, and the events between them and its end packed by zstd. */
export function payloadOf(
  events: Buffer,
  level = 3,
  stored: Buffer = zstdCompressSync(events, { params: { [constants.ZSTD_c_compressionLevel]: level } }),
) {
  const fields = [field(2, 0), field(3, events.length), field(1, stored.length), packed(0)];
  return Buffer.concat([...fields, stored]);
}

const u56 = (n: number) => {
  const bytes = Buffer.alloc(7);
  bytes.writeUIntLE(n % 2 ** 48, 0, 6);
  bytes[6] = Math.floor(n / 2 ** 48);
  return bytes;
};

/** Writes a binary log of MySQL event by event, as its published layout has it (control_events.h, log_event.h). */
export function makeMysqlLog(options: { checksum?: boolean; version?: string; seconds?: number } = {}) {
  const { checksum = true, version = '8.4.3', seconds = 1_700_000_000 } = options;
  const parts: Buffer[] = [Buffer.from('fe62696e', 'hex')];
  let at = 4;
  const event = (type: number, body: Buffer, serverId = 1) => {
    const length = 19 + body.length + (checksum || type === eventTypes.formatDescription ? 4 : 0);
    const header = Buffer.concat([
      u32(seconds),
      Buffer.of(type),
      u32(serverId),
      u32(length),
      u32((at + length) % 2 ** 32),
      u16(0),
    ]);
    const content = Buffer.concat([header, body]);
    parts.push(content);
    if (length > content.length) parts.push(checksum ? u32(crc32(content)) : u32(0));
    at += length;
  };
  const name = Buffer.alloc(50);
  name.write(version, 'latin1');
  event(
    eventTypes.formatDescription,
    Buffer.concat([
      u16(4),
      name,
      u32(seconds),
      Buffer.of(19),
      Buffer.alloc(41, 8),
      Buffer.of(checksum ? 1 : 0),
    ]),
  );
  const query = (text: string, schema = '') =>
    event(
      eventTypes.query,
      Buffer.concat([
        u32(9),
        u32(0),
        Buffer.of(Buffer.byteLength(schema)),
        u16(0),
        u16(0),
        Buffer.from(`${schema}\0${text}`),
      ]),
    );
  const log = {
    previousGtids: (sources: [uuid: string, intervals: [bigint, bigint][]][]) =>
      event(
        eventTypes.previousGtids,
        Buffer.concat([
          u64(BigInt(sources.length)),
          ...sources.flatMap(([uuid, intervals]) => [
            uuidBytes(uuid),
            u64(BigInt(intervals.length)),
            ...intervals.flatMap(([first, last]) => [u64(first), u64(last + 1n)]),
          ]),
        ]),
      ),
    /** `committed` in microseconds since 1970. Null: anonymous. */
    gtid: (of: { uuid: string; number: bigint } | null, committed: number) =>
      event(
        of ? eventTypes.gtid : eventTypes.anonymousGtid,
        Buffer.concat([
          Buffer.of(1),
          of ? uuidBytes(of.uuid) : Buffer.alloc(16),
          u64(of?.number ?? 0n),
          Buffer.of(2),
          u64(1n),
          u64(2n),
          u56(committed),
          Buffer.of(200),
          u32(80403),
        ]),
      ),
    query,
    tableMap: (schema: string, table: string) =>
      event(
        eventTypes.tableMap,
        Buffer.concat([
          u32(77),
          u16(0),
          u16(1),
          Buffer.of(schema.length),
          Buffer.from(`${schema}\0`),
          Buffer.of(table.length),
          Buffer.from(`${table}\0`),
          Buffer.of(1, 3, 0, 0),
        ]),
      ),
    rows: (bytes: number) => event(eventTypes.writeRows, Buffer.alloc(bytes, 0x5a)),
    xid: () => event(eventTypes.xid, u64(42n)),
    payload: (body: Buffer) => event(eventTypes.transactionPayload, body),
    rotate: (to: string) => event(eventTypes.rotate, Buffer.concat([u64(4n), Buffer.from(to)])),
    stop: () => event(eventTypes.stop, Buffer.alloc(0)),
    raw: event,
    at: () => at,
    /** The events alone, behind the head that every log begins with. */
    events: () => Buffer.concat(parts.slice(3)),
    bytes: () => Buffer.concat(parts),
  };
  return log;
}
