import type { Frames, FramesOptions } from './frames.ts';
import { openRawFrames } from './raw-frames.ts';
import { openZstdFrames } from './zstd-frames.ts';

/** Cuts a stream into frames that never straddle volumes. */
export const openFrames = (options: FramesOptions): Frames =>
  options.codec === 'none' ? openRawFrames(options) : openZstdFrames(options);
