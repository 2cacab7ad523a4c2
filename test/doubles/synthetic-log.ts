import { crc32, zstdCompressSync } from 'node:zlib';
import type { SegmentHeader, SegmentIndex } from '../../contract/formats/segment.ts';
import { encodeSegmentHeader, encodeSegmentIndex } from '../../contract/formats/segment-codec.ts';
import { segmentKey } from '../../contract/layout.ts';
import type { MysqlPosition } from '../../contract/positions/position.ts';
import { after } from '../../functions/restore/point/gtids.ts';

/** A segment's transactions, and when the agent saw them. */
export type Said = { gtids: readonly string[]; seen: string; newFile?: boolean; version?: string };

const hex = (crc: number) => crc.toString(16).padStart(8, '0');
const transactionBytes = 100;

/**
 * Stored segments of a log that no server wrote: everything but the log's bytes is as an archiver would have it. Each
 * transaction's time is the second in which it was seen.
 */
export function syntheticLog(
  of: { clusterId: string; timeline: string; flavour: 'mariadb' | 'mysql'; begins: string; anonymous?: true },
  said: readonly Said[],
): { key: string; crc: string; body: Buffer; header: SegmentHeader; index: SegmentIndex }[] {
  const stored: ReturnType<typeof syntheticLog> = [];
  let gtid = of.begins;
  let file = 0;
  let from = 0;
  for (const [seq, { gtids, seen, newFile = false, version = '10.11.19' }] of said.entries()) {
    if (seq === 0 || newFile) {
      file++;
      from = 0;
    }
    const head = from === 0 ? 50 : 0;
    const to = from + head + transactionBytes * gtids.length;
    const time = Math.floor(Date.parse(seen) / 1000) * 1_000_000;
    const index: SegmentIndex = {
      t: 'index',
      v: 1,
      tables: [],
      transactions: gtids.map((own, i) => ({
        gtid: own,
        at: from + head + i * transactionBytes,
        bytes: transactionBytes,
        time,
      })),
      looks: [{ to, at: seen }],
    };
    const name = `binlog.${String(file).padStart(6, '0')}`;
    const position = (text: string, offset: number): MysqlPosition => ({
      kind: 'mysql',
      flavour: of.flavour,
      gtid: text,
      file: name,
      offset,
    });
    const end = after(of.flavour, gtid, gtids);
    const before = stored.at(-1);
    const log = Buffer.alloc(to - from);
    const [indexFrame, logFrame] = [zstdCompressSync(encodeSegmentIndex(index)), zstdCompressSync(log)];
    const header: SegmentHeader = {
      t: 'segment',
      v: 1,
      clusterId: of.clusterId,
      set: 'main',
      timeline: of.timeline,
      seq,
      memberId: 'db1',
      hostId: 'i-0a',
      epoch: 1,
      engine: 'mysql',
      server: { flavour: of.flavour, version, uuid: 'u-1', serverId: 1 },
      log: {
        file: name,
        from,
        to,
        last: said[seq + 1]?.newFile === true,
        checksum: 'crc32',
        crc: hex(crc32(log)),
      },
      start: position(gtid, from),
      end: position(end, to),
      openBefore: null,
      openAfter: null,
      ...(of.anonymous ? { anonymous: true as const } : {}),
      commits: gtids.length === 0 ? null : { first: time, last: time },
      seen: { first: seen, last: seen },
      transactions: gtids.length,
      ddl: 0,
      previous: before === undefined ? null : { key: before.key, crc: before.crc },
      sealedAt: seen,
      runnerVersion: 'test',
      frames: {
        index: { stored: indexFrame.length, bytes: encodeSegmentIndex(index).length },
        log: [{ stored: logFrame.length, bytes: log.length }],
      },
    };
    const body = Buffer.concat([zstdCompressSync(encodeSegmentHeader(header)), indexFrame, logFrame]);
    const place = { clusterId: of.clusterId, set: 'main', timeline: of.timeline, day: seen.slice(0, 10) };
    const key = segmentKey({ ...place, seq, random: hex(seq).padStart(16, '0') });
    stored.push({ key, crc: hex(crc32(body)), body, header, index });
    gtid = end;
    from = to;
  }
  return stored;
}
