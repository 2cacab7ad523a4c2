import type { Socket } from 'node:net';
import type { buildConnector as Build } from 'undici';
import buildConnector from 'undici/lib/core/connect.js';

/** What one read takes at most; the kernel keeps more for a connection that is fast. */
const readBytes = 256 * 1024;

/**
 * Shorter reads are copied. An answer's headers have 16 KiB at most (http.maxHeaderSize, which undici keeps to), so
 * headers that come in pieces come in such reads, and undici holds on to each piece until it has them all.
 */
const lentFrom = 16 * 1024;

/**
 * Connects as undici does, but each connection reads into one buffer of its own. Without, Node makes 64 KiB for every
 * read, and for a restore of gigabytes the garbage collector that looks after them takes a fifth of the processor time.
 * What the reader of an answer's body is given is overwritten by the next read. Undici's parser never stops in the
 * middle of a read, since no reader here asks it to.
 */
export function connectWithOneBuffer(timeoutMs: number): Build.connector {
  return (options, callback) => {
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    let read: Buffer | null = null;
    let socket: Socket | undefined;
    const onread = {
      buffer,
      callback: (bytes: number) => {
        const part = buffer.subarray(0, bytes);
        read = bytes < lentFrom ? Buffer.from(part) : part;
        socket?.emit('readable');
        if (read !== null) socket?.destroy(new Error('an answer was not read on'));
        return true;
      },
    };
    const connect = buildConnector({ timeout: timeoutMs, allowH2: false, onread } as Build.BuildOptions);
    socket = connect(options, callback) as unknown as Socket;
    const ordinary = socket.read.bind(socket);
    socket.read = (bytes?: number) => {
      // What starts the reading, and ends it.
      if (bytes === 0) return ordinary(0);
      const part = read;
      read = null;
      return part;
    };
  };
}
