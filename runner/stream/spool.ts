import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';

export type Spool = {
  /** Bytes written and not yet read. */
  size: () => number;
  /** Writes what there is room for and says how many bytes; 0 at the bound, or while the disk is full. */
  append: (bytes: Buffer) => Promise<number>;
  /** Reads at most `most` bytes, those written first. */
  read: (most: number) => Promise<Buffer>;
  close: () => Promise<void>;
};

/** A path for the spool of a stream, told from other files by its name. */
export const spoolPath = (directory: string, stream: string): string =>
  join(directory, `spool-${stream}-${randomUUID()}`);

/** Removes the names that runners left that were killed while they opened their spool; a spool in use has none. */
export function sweepSpools(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith('spool-')) rmSync(join(directory, name), { force: true });
  }
}

/**
 * A bounded first-in-first-out of bytes on disk: a ring in one file, so that it never takes more than `bound` bytes.
 * The file loses its name as soon as it is open and so vanishes with the process.
 */
export function openSpool(path: string, bound: number): Spool {
  let file: Promise<FileHandle> | undefined;
  let written = 0;
  let taken = 0;
  let closed = false;

  const openNameless = async () => {
    const handle = await open(path, 'wx+', 0o600);
    await rm(path, { force: true });
    return handle;
  };
  const handle = () => {
    if (closed) throw new Error('the spool is closed');
    file ??= openNameless();
    return file;
  };

  return {
    size: () => written - taken,
    append: async (bytes) => {
      // Starting over where blocks are already allocated keeps the file small and gets past a full disk.
      if (written === taken) {
        written = 0;
        taken = 0;
      }
      const at = written % bound;
      const most = Math.min(bytes.length, bound - (written - taken), bound - at);
      if (most === 0) return 0;
      try {
        const { bytesWritten } = await (await handle()).write(bytes, 0, most, at);
        written += bytesWritten;
        return bytesWritten;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return 0;
        throw error;
      }
    },
    read: async (most) => {
      const at = taken % bound;
      const bytes = Math.min(most, written - taken, bound - at);
      const buffer = Buffer.allocUnsafe(bytes);
      const { bytesRead } = await (await handle()).read(buffer, 0, bytes, at);
      taken += bytesRead;
      return buffer.subarray(0, bytesRead);
    },
    close: async () => {
      if (closed) return;
      closed = true;
      await (await file)?.close();
    },
  };
}
