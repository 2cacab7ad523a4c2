import { earlyEndBytes, type Frames, type FramesOptions, smallestLanding } from './frames.ts';
import { makeGate } from './gate.ts';
import { liesAt } from './landing.ts';
import { type Compressor, makeCompressor } from './zstd-compressor.ts';

/**
 * The largest frame that fits into a volume of `volumeBytes` whatever its bytes are; 0 when none does.
 * ZSTD_COMPRESSBOUND (zstd.h): a 256th more than the input, and up to 64 bytes for small ones.
 */
export const largestFrame = (volumeBytes: number) =>
  Math.max(0, volumeBytes - Math.ceil(volumeBytes / 256) - 128);

/**
 * Frames of zstd with checksum. Input is gathered into a buffer per frame, compressed on the libuv pool, several at
 * once, and placed in order; a volume closes when the next frame does not fit.
 */
export function openZstdFrames(options: FramesOptions): Frames {
  const { stream, frameBytes, volumes, bell, signal, onFrame } = options;
  /** Input buffers: one per frame that is compressed, and one that is filled. */
  const free: Buffer[] = [];
  let made = 0;
  let filling: Buffer | undefined;
  const gate = makeGate(options.compressInFlight);
  const compressors: Compressor[] = [];
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

  const end = () => {
    if (filling === undefined || bytes === 0) return;
    const input = filling;
    const standsFor = { from, bytes };
    filling = undefined;
    from += bytes;
    bytes = 0;
    const before = placed;
    placed = gate(async () => {
      const compress = compressors.pop() ?? makeCompressor(options.level, frameBytes);
      const pieces = await compress(input.subarray(0, standsFor.bytes));
      await before;
      await place(pieces, standsFor);
      // Only now, so that compressed frames that wait for a volume are bounded too.
      compressors.push(compress);
      free.push(input);
      bell.ring();
    });
    placed.catch(options.fail);
  };

  const takeInput = (): Buffer | undefined => {
    const input = free.pop();
    if (input !== undefined || made > options.compressInFlight) return input;
    made += 1;
    return Buffer.allocUnsafeSlow(frameBytes);
  };

  return {
    landing: () => {
      filling ??= takeInput();
      if (filling === undefined || frameBytes - bytes < smallestLanding) return undefined;
      return filling.subarray(bytes);
    },
    take: (offered) => {
      filling ??= takeInput();
      if (filling === undefined) return 0;
      const taken = liesAt(offered, filling, bytes) ? offered.length : offered.copy(filling, bytes);
      bytes += taken;
      if (bytes === frameBytes) end();
      return taken;
    },
    boundary: () => {
      if (bytes >= earlyEndBytes) end();
    },
    flush: () => {
      end();
      placed = placed.then(volumes.close);
      placed.catch(options.fail);
      return placed;
    },
    count: () => count,
  };
}
