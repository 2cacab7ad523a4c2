import { createZstdDecompress, type ZstdDecompress } from 'node:zlib';
import { rewind } from './rewind.ts';

/** A frame's content, and the memory back to who lent it: after that it is overwritten. */
export type Decompressed = { bytes: Buffer; giveBack: () => void };

export type Decompressors = {
  /**
   * Decompresses one whole frame whose content has `bytes` bytes, `mostBytes` at most. Rejects where the input is no
   * zstd frame, has more content than that, or goes on behind the frame.
   */
  decompress: (stored: Buffer, bytes: number) => Promise<Decompressed>;
  /** Ends what is kept. Content that was not given back stays as it is. */
  close: () => void;
};

type Slot = { stream: ZstdDecompress; pieces: Buffer[] };

/**
 * Decompressors that keep their context and their output buffer from frame to frame, one for each frame that is on its
 * way or not given back yet. Room for all of the content lets zstd write it in one pass. (The one-call function of
 * node:zlib makes a context and an output buffer each time: the garbage collector then runs for every few frames, which
 * takes more processor time than zstd does.)
 */
export function makeDecompressors(mostBytes: number): Decompressors {
  const free: Slot[] = [];
  const all: Slot[] = [];

  const makeSlot = (): Slot => {
    const slot: Slot = { stream: createZstdDecompress({ chunkSize: mostBytes + 64 }), pieces: [] };
    slot.stream.on('data', (piece: Buffer) => slot.pieces.push(piece));
    // Each call has its own listener while it waits; without one an error would end the process.
    slot.stream.on('error', () => undefined);
    all.push(slot);
    return slot;
  };

  const run = ({ stream, pieces }: Slot, stored: Buffer, bytes: number): Promise<Buffer> => {
    const before = stream.bytesWritten;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const watch = () => {
      if (pieces.reduce((sum, piece) => sum + piece.length, 0) <= bytes) return;
      const tooMuch = new Error(`it has more than ${bytes} bytes`);
      // The write still counts as done.
      reject(tooMuch);
      stream.destroy(tooMuch);
    };
    stream.on('data', watch).once('error', reject);
    rewind(stream);
    stream.write(stored, (error) => {
      if (error) reject(error);
      else if (stream.bytesWritten - before !== stored.length) reject(new Error('bytes follow the frame'));
      else if (stream.readableLength > 0) reject(new Error('a piece of a frame is missing'));
      else resolve(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces));
    });
    return promise.finally(() => stream.off('data', watch).off('error', reject));
  };

  return {
    decompress: async (stored, bytes) => {
      const slot = free.pop() ?? makeSlot();
      slot.pieces.length = 0;
      return { bytes: await run(slot, stored, bytes), giveBack: () => void free.push(slot) };
    },
    close: () => {
      for (const { stream } of all) stream.destroy();
    },
  };
}
