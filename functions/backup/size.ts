import type { Policy } from '../../contract/records/policy.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** Sizes that a job works with. */
export type Sizes = { volumeBytes: number; uploadsInFlight: number; memoryMiB: number };

/** Bytes of stream in one zstd frame. */
export const frameBytes = 4 * MiB;

/** What a runner needs beside its volumes (MiB). */
const baseMiB = 85;

/** One volume is being filled while others are in flight. */
const memoryOf = (volumeMiB: number, inFlight: number) => baseMiB + volumeMiB * (inFlight + 1);

/**
 * Volume size doubles with the stream: 32 MiB up to 64 GiB (2,048 volumes), 64 up to 128 GiB, 128 up to 256 GiB,
 * then 256 MiB (4,096 volumes at 1 TiB, in proportion beyond). Where that and the uploads in flight exceed the
 * host's memory budget, first the number in flight goes down to 2, then the volume size, and the count grows.
 * The least budget, 192 MiB, takes 32 MiB with two in flight: 85 + 32 × 3 = 181.
 */
export function sizesFor(
  expectedBytes: number,
  { memoryMiB, uploadsInFlight }: Pick<Policy, 'memoryMiB' | 'uploadsInFlight'>,
): Sizes {
  let volumeMiB =
    expectedBytes <= 64 * GiB ? 32 : expectedBytes <= 128 * GiB ? 64 : expectedBytes <= 256 * GiB ? 128 : 256;
  let inFlight = uploadsInFlight;
  while (inFlight > 2 && memoryOf(volumeMiB, inFlight) > memoryMiB) inFlight -= 1;
  while (volumeMiB > 32 && memoryOf(volumeMiB, inFlight) > memoryMiB) volumeMiB /= 2;
  return {
    volumeBytes: volumeMiB * MiB,
    uploadsInFlight: inFlight,
    memoryMiB: memoryOf(volumeMiB, inFlight),
  };
}
