import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { LogFormat } from './event-reader.ts';
import { eventFlags } from './event-types.ts';
import type { LogFlavour } from './gtid-state.ts';
import { makeBinlogParser } from './parser.ts';

/** What one read asks for. */
export const readBytes = 1024 * 1024;
/** Low byte of the flags of the format description, which is the first event. */
const inUseAt = 4 + 17;

/** One log file, open: it can be read to its end also when the server removes it meanwhile. */
export type LogFile = {
  name: string;
  size: () => Promise<number>;
  /** Whether nobody finds it by its name any more: it was purged, or the log has begun anew. */
  removed: () => Promise<boolean>;
  /** Bytes from an offset, as they stand in the closed file; fewer than asked for at its end. */
  read: (from: number, most: number) => Promise<Buffer>;
  close: () => Promise<void>;
};

/** Opens a log file for reading; a link in its place is not followed. Throws `Log.Gap` where it is not there. */
export async function openLogFile(directory: string, name: string): Promise<LogFile> {
  if (name === '' || name.includes('/')) {
    throw new NamedError('Log.Unsupported', `${JSON.stringify(name)} is no name of a file`, { file: name });
  }
  let handle: FileHandle;
  try {
    handle = await open(join(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause;
    throw new NamedError('Log.Gap', `${name} is no longer on the server`, { file: name }, { cause });
  }
  return {
    name,
    size: async () => (await handle.stat()).size,
    removed: async () => (await handle.stat()).nlink === 0,
    read: async (from, most) => {
      const bytes = Buffer.allocUnsafeSlow(most);
      let filled = 0;
      while (filled < most) {
        const { bytesRead } = await handle.read(bytes, filled, most - filled, from + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      // The server clears the flag when it closes the file, so that archived bytes and closed file are equal.
      if (from <= inUseAt && from + filled > inUseAt) bytes[inUseAt - from]! &= ~eventFlags.inUse;
      return bytes.subarray(0, filled);
    },
    close: () => handle.close(),
  };
}

/** What the head of a file says, and its bytes. */
export type FileHead = { gtid: string; format: LogFormat; bytes: Buffer };

/** How a file is read: a server without GTIDs may name in its heads those of a time when it had some. */
export type LogKind = { flavour: LogFlavour; gtids: boolean };

/** Reads where the log stood before this file. Throws `Log.Damaged` where its head is not there in full. */
export async function readFileHead(file: LogFile, { flavour, gtids }: LogKind): Promise<FileHead> {
  let head: { gtid: string; end: number } | undefined;
  const parser = makeBinlogParser(
    { from: 0, flavour },
    {
      transaction: () => 'stop',
      head: (found) => {
        head = found;
      },
    },
  );
  for (let at = 0; head === undefined; ) {
    const bytes = await file.read(at, 64 * 1024);
    if (bytes.length === 0) throw new NamedError('Log.Damaged', `${file.name} ends within its head`, {});
    parser.push(bytes);
    at += bytes.length;
  }
  return { gtid: gtids ? head.gtid : '', format: parser.format()!, bytes: await file.read(0, head.end) };
}

/** Opens a file and reads its head; closes it where that fails. */
export async function openAtHead(directory: string, name: string, kind: LogKind) {
  const file = await openLogFile(directory, name);
  try {
    return { file, head: await readFileHead(file, kind) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** CRC32 of the bytes `from`…`to` as eight hex digits; undefined where the file does not reach so far. */
export async function crcOfRange(file: LogFile, from: number, to: number): Promise<string | undefined> {
  let crc = 0;
  for (let at = from; at < to; ) {
    const bytes = await file.read(at, Math.min(readBytes, to - at));
    if (bytes.length === 0) return undefined;
    crc = crc32(bytes, crc);
    at += bytes.length;
  }
  return crc.toString(16).padStart(8, '0');
}
