import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a read takes at most; the kernel keeps about as much for a socket. */
const readBytes = 256 * 1024;

export type WidePipe = {
  /** Gives out what the child writes; closes after its last byte. */
  reading: Socket;
  /** To be handed to the child as its stdout and then destroyed. */
  childEnd: Socket;
};

/** In memory first: a full disk, which a backup may be wanted for, then stops none, and the names are short enough for a socket. */
function ownDirectory(): string {
  const failures: unknown[] = [];
  for (const place of ['/run', '/dev/shm', tmpdir()]) {
    try {
      return mkdtempSync(join(place, 'holdfast-'));
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures.at(-1);
}

/**
 * A connection to a child's stdout for whole backups. The pipe that `spawn` makes gives each read a buffer of 64 KiB of
 * its own: for a stream of gigabytes that is a third more processor time, for allocating and collecting them, and
 * 60 MiB more memory. This one reads into a single buffer, with its own socket because only `connect` lets that be set.
 * A child writes to it as to any stdout, but cannot open it again by the name /dev/stdout (ENXIO).
 * `onRead` answers false to be given nothing more until `reading.resume()`; the bytes are overwritten after that.
 * `into` may name a better place for the next read than that buffer; it is not asked while nothing more is to be given.
 */
export async function openWidePipe(
  onRead: (bytes: Buffer) => boolean,
  into: () => Buffer | undefined = () => undefined,
): Promise<WidePipe> {
  // In a directory of our own, so that nobody else connects first.
  const directory = ownDirectory();
  const server = createServer({ pauseOnConnect: true });
  try {
    const path = join(directory, 's');
    server.listen(path);
    await once(server, 'listening');
    const own = Buffer.allocUnsafeSlow(readBytes);
    let goesOn = false;
    const buffer = () => (goesOn ? into()?.subarray(0, readBytes) : undefined) ?? own;
    const callback = (n: number, bytes: Uint8Array) => {
      goesOn = onRead(bytes.subarray(0, n) as Buffer);
      return goesOn;
    };
    const reading = connect({ path, onread: { buffer, callback } });
    const [[childEnd]] = await Promise.all([once(server, 'connection'), once(reading, 'connect')]);
    return { reading, childEnd };
  } finally {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}
