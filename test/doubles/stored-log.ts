import { readFileSync } from 'node:fs';
import { crc32, zstdCompressSync } from 'node:zlib';
import type { SegmentHeader, SegmentIndex } from '../../contract/formats/segment.ts';
import { encodeSegmentHeader, encodeSegmentIndex } from '../../contract/formats/segment-codec.ts';
import { segmentKey } from '../../contract/layout.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import { after } from '../../functions/restore/point/gtids.ts';
import { type BinlogTransaction, makeBinlogParser } from '../../runner/engines/mysql/binlog/parser.ts';

export type StoredSegment = {
  key: string;
  crc: string;
  body: Buffer;
  header: SegmentHeader;
  index: SegmentIndex;
};

const hex = (crc: number) => crc.toString(16).padStart(8, '0');

/** Where a member enters the log and where it leaves it; whole files otherwise. */
export type Part = {
  path: string;
  name: string;
  server: { uuid: string; serverId: number };
  memberId: string;
  from?: number;
  to?: number;
};

/**
 * What an archiver would have stored of these logs: segments of `bytes` each, cut within transactions too,
 * each naming the one before it. All were seen in one look a second after the one of the segment before.
 */
export function storeLog(
  parts: readonly Part[],
  bytes: number,
  { began = new Date(), flavour = 'mariadb' }: { began?: Date; flavour?: 'mariadb' | 'mysql' } = {},
): StoredSegment[] {
  const stored: StoredSegment[] = [];
  for (const [epoch, { path, name, server, memberId, from = 0, to }] of parts.entries()) {
    const log = readFileSync(path).subarray(0, to);
    const all: BinlogTransaction[] = [];
    let head = { gtid: '', end: 0 };
    const parser = makeBinlogParser(
      { from: 0, flavour },
      {
        transaction: (t) => void all.push(t),
        head: (found) => {
          head = found;
        },
      },
    );
    parser.push(log);
    const anonymous = all.some(({ gtid }) => gtid === '');
    // Whatever such a server had of GTIDs before.
    if (anonymous) head = { ...head, gtid: '' };
    const clean = Buffer.from(log);
    // As the closed file has it.
    clean.writeUInt16LE(clean.readUInt16LE(21) & ~1, 21);
    for (let at = from; at < clean.length; ) {
      const end = Math.min(at + bytes, clean.length);
      const own = all.filter((t) => t.at + t.bytes > at && t.at + t.bytes <= end);
      const openAt = (offset: number) => {
        const open = all.find((t) => t.at < offset && t.at + t.bytes > offset);
        return open === undefined ? null : { gtid: open.gtid, at: open.at };
      };
      const position = (offset: number): MysqlPosition => ({
        kind: 'mysql',
        flavour,
        gtid: after(
          flavour,
          head.gtid,
          all.filter((t) => t.at + t.bytes <= offset).map(({ gtid }) => gtid),
        ),
        file: name,
        offset,
      });
      const seen = new Date(began.getTime() + (stored.length + 1) * 1000).toISOString();
      const touched = [
        ...new Map(own.flatMap(({ tables }) => tables).map((table) => [table.join('\0'), table])),
      ];
      const placeOf = (table: readonly string[]) => touched.findIndex(([name]) => name === table.join('\0'));
      const index: SegmentIndex = {
        t: 'index',
        v: 1,
        tables: touched.map(([, table]) => table),
        transactions: own.map(({ gtid, at: first, bytes: length, time, ddl, tables, unsure }) => ({
          gtid,
          at: first,
          bytes: length,
          time,
          ...(ddl === undefined ? {} : { ddl }),
          ...(tables.length === 0 ? {} : { tables: tables.map(placeOf) }),
          ...(unsure ? { unsure: true as const } : {}),
        })),
        looks: [{ to: end, at: seen }],
      };
      const bodyOf = clean.subarray(at, end);
      const frames = [zstdCompressSync(bodyOf)];
      const indexFrame = zstdCompressSync(encodeSegmentIndex(index));
      const before = stored.at(-1);
      const times = own.map(({ time }) => time);
      const header: SegmentHeader = {
        t: 'segment',
        v: 1,
        clusterId: 'shop',
        set: 'main',
        timeline: 't-1',
        seq: stored.length,
        memberId,
        hostId: 'mi-0abc',
        epoch,
        engine: 'mysql',
        server: { flavour, version: '10.11.19', ...server },
        log: {
          file: name,
          from: at,
          to: end,
          last: end === clean.length,
          checksum: 'crc32',
          crc: hex(crc32(bodyOf)),
          ...(at === from && from > 0 ? { head: clean.subarray(0, head.end).toString('base64') } : {}),
        },
        start: position(at),
        end: position(end),
        ...(anonymous ? { anonymous } : {}),
        openBefore: openAt(at),
        openAfter: openAt(end),
        commits: times.length === 0 ? null : { first: Math.min(...times), last: Math.max(...times) },
        seen: { first: seen, last: seen },
        transactions: own.length,
        ddl: own.filter(({ ddl }) => ddl !== undefined).length,
        previous: before === undefined ? null : { key: before.key, crc: before.crc },
        sealedAt: seen,
        runnerVersion: 'test',
        frames: {
          index: { stored: indexFrame.length, bytes: encodeSegmentIndex(index).length },
          log: frames.map((frame) => ({ stored: frame.length, bytes: bodyOf.length })),
        },
      };
      const body = Buffer.concat([zstdCompressSync(encodeSegmentHeader(header)), indexFrame, ...frames]);
      const place = { clusterId: 'shop', set: 'main', timeline: 't-1', day: seen.slice(0, 10) };
      const key = segmentKey({ ...place, seq: stored.length, random: hex(stored.length).padStart(16, '0') });
      stored.push({ key, crc: hex(crc32(body)), body, header, index });
      at = end;
    }
  }
  return stored;
}
