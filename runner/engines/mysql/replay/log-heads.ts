import { open } from 'node:fs/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import { headerBytes, magicBytes } from '../binlog/event-reader.ts';
import { eventTypes } from '../binlog/event-types.ts';

/** By domain and server of MariaDB the last sequence: `0-101` → 5. What a Gtid_list event holds. */
export type GtidPairs = Map<string, bigint>;

/** What a replay must know of a log file beforehand. */
export type LogHeads = {
  serverIds: Set<number>;
  pairs: GtidPairs;
  /** It has transactions of MySQL without GTIDs. */
  anonymous: boolean;
};

const windowBytes = 1024 * 1024;

/** The entries of a Gtid_list event's body: count (28 bits), then domain, server, sequence each. */
export function gtidPairsIn(body: Buffer): GtidPairs {
  const pairs: GtidPairs = new Map();
  const count = body.length < 4 ? 0 : body.readUInt32LE(0) & 0x0fffffff;
  for (let at = 4; pairs.size < count && at + 16 <= body.length; at += 16) {
    pairs.set(`${body.readUInt32LE(at)}-${body.readUInt32LE(at + 4)}`, body.readBigUInt64LE(at + 8));
  }
  return pairs;
}

/**
 * Reads the heads of all events of a file that lies on disk whole: which servers wrote them, and to which GTIDs of
 * MariaDB they lead from those before it. Throws `Log.Damaged` where it is no binary log or ends within an event.
 */
export async function readLogHeads(path: string, before: GtidPairs = new Map()): Promise<LogHeads> {
  const serverIds = new Set<number>();
  const pairs = new Map(before);
  let anonymous = false;
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const damaged = (at: number, why: string) =>
      new NamedError('Log.Damaged', `${path} ${why} at byte ${at}`, { path, at });
    const window = Buffer.alloc(windowBytes);
    let start = 0;
    let end = 0;
    const bytesAt = async (at: number, length: number): Promise<Buffer> => {
      if (at < start || at + length > end) {
        const { bytesRead } = await file.read(window, 0, windowBytes, at);
        start = at;
        end = at + bytesRead;
      }
      return window.subarray(at - start, Math.min(at + length, end) - start);
    };
    if ((await bytesAt(0, magicBytes)).toString('latin1') !== '\xfebin') throw damaged(0, 'is no binary log');
    for (let at = magicBytes; at < size; ) {
      const head = await bytesAt(at, headerBytes);
      const bytes = head.length < headerBytes ? 0 : head.readUInt32LE(9);
      if (bytes < headerBytes || at + bytes > size) throw damaged(at, 'ends within an event');
      const [type, serverId] = [head[4]!, head.readUInt32LE(5)];
      serverIds.add(serverId);
      anonymous ||= type === eventTypes.anonymousGtid;
      if (type === eventTypes.mariadbGtid) {
        const body = await bytesAt(at + headerBytes, 12);
        pairs.set(`${body.readUInt32LE(8)}-${serverId}`, body.readBigUInt64LE(0));
      }
      if (type === eventTypes.gtidList) {
        const body = await bytesAt(at + headerBytes, Math.min(bytes - headerBytes, windowBytes));
        for (const [source, seq] of gtidPairsIn(body)) pairs.set(source, seq);
      }
      at += bytes;
    }
  } finally {
    await file.close();
  }
  return { serverIds, pairs, anonymous };
}
