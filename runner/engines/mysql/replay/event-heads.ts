import { open } from 'node:fs/promises';
import { NamedError } from '../../../../contract/errors/named-error.ts';

/** Every binary log begins with these (sql/log_event.h of both flavours: BINLOG_MAGIC). */
const magic = Buffer.from([0xfe, 0x62, 0x69, 0x6e]);
/** Time (4), type (1), server id (4), length (4), end in its file (4), flags (2); little-endian. */
const headBytes = 19;
const windowBytes = 1024 * 1024;

/**
 * The ids of the servers that wrote the events of a binary log, from the head of each event. Throws
 * `Restore.StreamDamaged` where the file is no binary log or ends within an event.
 */
export async function serverIdsIn(path: string): Promise<Set<number>> {
  const ids = new Set<number>();
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const damaged = (at: number, why: string) =>
      new NamedError('Restore.StreamDamaged', `${path} ${why} at byte ${at}`, { path, at });
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
    if (!(await bytesAt(0, magic.length)).equals(magic)) throw damaged(0, 'is no binary log');
    for (let at = magic.length; at < size; ) {
      const head = await bytesAt(at, headBytes);
      const length = head.length < headBytes ? 0 : head.readUInt32LE(9);
      if (length < headBytes || at + length > size) throw damaged(at, 'ends within an event');
      ids.add(head.readUInt32LE(5));
      at += length;
    }
  } finally {
    await file.close();
  }
  return ids;
}
