import { earlyEndBytes, type Frames, type FramesOptions, smallestLanding } from './frames.ts';

/**
 * Frames that are stored as they are: each byte is copied once, from the caller's buffer into the volume, or lies there already. A frame
 * that reaches the end of its volume ends there, so that volumes are full.
 */
export function openRawFrames(options: FramesOptions): Frames {
  const { stream, frameBytes, volumes, onFrame } = options;
  let place: { n: number; at: number } | undefined;
  let from = 0;
  let bytes = 0;
  let count = 0;

  const end = () => {
    if (place === undefined) return;
    onFrame({ t: 'frame', stream, n: place.n, at: place.at, stored: bytes, from, bytes });
    from += bytes;
    bytes = 0;
    count += 1;
    place = undefined;
  };

  return {
    landing: () => {
      const most = Math.min(volumes.room(), frameBytes - bytes);
      return most < smallestLanding ? undefined : volumes.landing(most);
    },
    take: (offered, crc) => {
      const most = Math.min(volumes.room(), frameBytes - bytes);
      if (most === 0) return 0;
      const whole = offered.length <= most;
      const piece = whole ? offered : offered.subarray(0, most);
      const where = volumes.append(piece, piece.length, whole ? crc : undefined);
      place ??= where;
      bytes += piece.length;
      const full = volumes.room() === 0;
      if (full || bytes === frameBytes) end();
      if (full) volumes.close();
      return piece.length;
    },
    boundary: () => {
      if (bytes >= earlyEndBytes) end();
    },
    flush: async () => {
      end();
      volumes.close();
    },
    count: () => count,
  };
}
