import { earlyEndBytes, type Frames, type FramesOptions } from './frames.ts';
import { type Compressor, makeCompressor } from './zstd-compressor.ts';

/**
 * The largest frame that fits into a volume of `volumeBytes` whatever its bytes are; 0 when none does.
 * ZSTD_COMPRESSBOUND (zstd.h): a 256th more than the input, and up to 64 bytes for small ones.
 */
export const largestFrame = (volumeBytes: number) =>
  Math.max(0, volumeBytes - Math.ceil(volumeBytes / 256) - 128);

/** An input buffer and the compressor that takes it: one of these per frame in flight, and one that is filled. */
type Slot = { input: Buffer; compress: Compressor };

/**
 * Frames of zstd with checksum. Input is gathered into a buffer per frame, compressed on the libuv pool, several at
 * once, and placed in order; a volume closes when the next frame does not fit.
 */
export function openZstdFrames(options: FramesOptions): Frames {
  const { stream, frameBytes, volumes, bell, signal, onFrame } = options;
  const free: Slot[] = [];
  let made = 0;
  let filling: Slot | undefined;
  let bytes = 0;
  let from = 0;
  let count = 0;
  let placed: Promise<void> = Promise.resolve();

  const place = async (pieces: Buffer[], standsFor: { from: number; bytes: number }) => {
    const stored = pieces.reduce((sum, piece) => sum + piece.length, 0);
    for (;;) {
      signal.throwIfAborted();
      if (volumes.room() >= stored) break;
      if (volumes.filled() > 0) volumes.close();
      else await bell.heard();
    }
    let where: { n: number; at: number } | undefined;
    for (const piece of pieces) {
      const at = volumes.append(piece, where === undefined ? standsFor.bytes : 0);
      where ??= at;
    }
    if (where !== undefined) onFrame({ t: 'frame', stream, ...where, stored, ...standsFor });
    count += 1;
  };

  const inOrder = (next: () => Promise<void>) => {
    placed = placed.then(next);
    placed.catch(options.fail);
  };

  const end = () => {
    if (filling === undefined || bytes === 0) return;
    const slot = filling;
    const standsFor = { from, bytes };
    filling = undefined;
    from += bytes;
    bytes = 0;
    const compressed = slot.compress(slot.input.subarray(0, standsFor.bytes));
    compressed.catch(options.fail);
    inOrder(async () => {
      await place(await compressed, standsFor);
      // Only now, so that compressed frames that wait for a volume are bounded too.
      free.push(slot);
      bell.ring();
    });
  };

  const takeSlot = (): Slot | undefined => {
    const slot = free.pop();
    if (slot !== undefined || made > options.compressInFlight) return slot;
    made += 1;
    return { input: Buffer.allocUnsafeSlow(frameBytes), compress: makeCompressor(options.level, frameBytes) };
  };

  return {
    take: (offered) => {
      filling ??= takeSlot();
      if (filling === undefined) return 0;
      const copied = offered.copy(filling.input, bytes);
      bytes += copied;
      if (bytes === frameBytes) end();
      return copied;
    },
    boundary: () => {
      if (bytes >= earlyEndBytes) end();
    },
    flush: () => {
      end();
      inOrder(async () => volumes.close());
      return placed;
    },
    count: () => count,
  };
}
