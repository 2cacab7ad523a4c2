import type { Policy } from '../../contract/records/policy.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** Sizes that a job works with. */
export type Sizes = { volumeBytes: number; uploadsInFlight: number; streams: number; memoryMiB: number };

/** Bytes of stream in one zstd frame. */
export const frameBytes = 4 * MiB;

/** What a runner needs beside its volumes (MiB). */
const baseMiB = 85;

/** Of several streams each compresses one frame while it fills the next, and those of one stream are in the base already. */
const framesMiB = (streams: number, codec: Policy['codec']) =>
  streams === 1 || codec === 'none' ? 0 : Math.max(0, (streams * 2 - 3) * 8);

/** Each stream fills a volume of its own while others are in flight. */
const memoryOf = (volumeMiB: number, inFlight: number, streams: number, codec: Policy['codec']) =>
  baseMiB + volumeMiB * (inFlight + streams) + framesMiB(streams, codec);

/**
 * Volume size doubles with the stream: 32 MiB up to 64 GiB (2,048 volumes), 64 up to 128 GiB, 128 up to 256 GiB,
 * then 256 MiB (4,096 volumes at 1 TiB, in proportion beyond). Where that and the uploads in flight exceed the
 * host's memory budget, first the number in flight goes down to 2, then the volume size, and the count grows; then the
 * number of streams. The least budget, 192 MiB, takes 32 MiB with two in flight: 85 + 32 × 3 = 181.
 */
export function sizesFor(
  expectedBytes: number,
  policy: Pick<Policy, 'memoryMiB' | 'uploadsInFlight' | 'codec'>,
  wantedStreams = 1,
): Sizes {
  let volumeMiB =
    expectedBytes <= 64 * GiB ? 32 : expectedBytes <= 128 * GiB ? 64 : expectedBytes <= 256 * GiB ? 128 : 256;
  let inFlight = policy.uploadsInFlight;
  let streams = wantedStreams;
  const memoryMiB = () => memoryOf(volumeMiB, inFlight, streams, policy.codec);
  while (inFlight > 2 && memoryMiB() > policy.memoryMiB) inFlight -= 1;
  while (volumeMiB > 32 && memoryMiB() > policy.memoryMiB) volumeMiB /= 2;
  while (streams > 1 && memoryMiB() > policy.memoryMiB) streams -= 1;
  return { volumeBytes: volumeMiB * MiB, uploadsInFlight: inFlight, streams, memoryMiB: memoryMiB() };
}
