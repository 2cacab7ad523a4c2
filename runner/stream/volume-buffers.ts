export type VolumeBuffers = {
  /** A free buffer of one volume, or undefined while all are filling or on their way. */
  take: () => Buffer | undefined;
  give: (buffer: Buffer) => void;
  /** One more stream fills a buffer from now on. */
  widen: () => void;
};

/**
 * The volume buffers of a job: `besides` of them, and one that each open stream fills. They are made when first
 * needed and used again for the whole backup, so memory does not depend on the backup's size.
 */
export function makeVolumeBuffers(bytes: number, besides: number): VolumeBuffers {
  let most = besides;
  let made = 0;
  const free: Buffer[] = [];
  return {
    take: () => {
      const buffer = free.pop();
      if (buffer !== undefined || made >= most) return buffer;
      made += 1;
      return Buffer.allocUnsafeSlow(bytes);
    },
    give: (buffer) => void free.push(buffer),
    widen: () => {
      most += 1;
    },
  };
}
