import { crc32 } from 'node:zlib';
import { headerBytes, magicBytes } from '../binlog/event-reader.ts';
import { eventTypes } from '../binlog/event-types.ts';
import type { GtidPairs } from './log-heads.ts';

/** A Gtid_list event like `like`, but of these GTIDs; a server tells a domain's last by its place behind the others. */
function gtidListEvent(like: Buffer, at: number, pairs: GtidPairs, checksum: 'crc32' | 'none'): Buffer {
  const entries = [...pairs]
    .map(([source, seq]) => ({
      domain: Number(source.split('-')[0]),
      server: Number(source.split('-')[1]),
      seq,
    }))
    .sort((a, b) => a.domain - b.domain || (a.seq < b.seq ? -1 : 1));
  const sumBytes = checksum === 'crc32' ? 4 : 0;
  const event = Buffer.alloc(headerBytes + 4 + 16 * entries.length + sumBytes);
  like.copy(event, 0, 0, headerBytes);
  event.writeUInt32LE(event.length, 9);
  event.writeUInt32LE(at + event.length, 13);
  event.writeUInt32LE(entries.length, headerBytes);
  for (const [i, { domain, server, seq }] of entries.entries()) {
    const place = headerBytes + 4 + 16 * i;
    event.writeUInt32LE(domain, place);
    event.writeUInt32LE(server, place + 4);
    event.writeBigUInt64LE(seq, place + 8);
  }
  const summed = event.length - sumBytes;
  if (sumBytes > 0) event.writeUInt32LE(crc32(event.subarray(0, summed)), summed);
  return event;
}

/**
 * The head of a file that the archive enters further inside, for whoever is served it as a whole file: what its own
 * list of GTIDs leaves out, since it stands in the files of another server before it, is added. Without that MariaDB
 * would look in this file for a position that it passed over.
 */
export function headOfEntered(head: Buffer, before: GtidPairs, checksum: 'crc32' | 'none'): Buffer {
  const parts = [head.subarray(0, magicBytes)];
  for (let at = magicBytes; at + headerBytes <= head.length; ) {
    const bytes = Math.max(headerBytes, head.readUInt32LE(at + 9));
    const event = head.subarray(at, at + bytes);
    const place = parts.reduce((sum, part) => sum + part.length, 0);
    parts.push(event[4] === eventTypes.gtidList ? gtidListEvent(event, place, before, checksum) : event);
    at += bytes;
  }
  return Buffer.concat(parts);
}
