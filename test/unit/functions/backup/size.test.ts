import { describe, expect, it } from 'vitest';
import { sizesFor } from '../../../../functions/backup/size.ts';

const GiB = 1024 ** 3;
const MiB = 1024 ** 2;
const roomy = { memoryMiB: 16_384, uploadsInFlight: 3, codec: 'zstd' as const };
const sizes = (expected: number, budget: Partial<typeof roomy> = {}) => {
  const { volumeBytes, uploadsInFlight, memoryMiB } = sizesFor(expected, { ...roomy, ...budget });
  return [volumeBytes / MiB, uploadsInFlight, memoryMiB];
};

describe('the size of volumes', () => {
  it('is 32 MiB up to 64 GiB of stream and doubles with the stream up to 256 MiB', () => {
    expect(
      [0, 64 * GiB, 64 * GiB + 1, 128 * GiB + 1, 256 * GiB + 1, 2048 * GiB].map((b) => sizes(b)[0]),
    ).toEqual([32, 32, 64, 128, 256, 256]);
    expect((1024 * GiB) / sizesFor(1024 * GiB, roomy).volumeBytes).toBe(4096);
  });

  it('keeps within the memory budget by fewer uploads first, then by smaller volumes', () => {
    expect(sizes(GiB, { memoryMiB: 512, uploadsInFlight: 3 })).toEqual([32, 3, 213]);
    expect(sizes(GiB, { memoryMiB: 192, uploadsInFlight: 3 })).toEqual([32, 2, 181]);
    expect(sizes(1024 * GiB, { memoryMiB: 900, uploadsInFlight: 8 })).toEqual([256, 2, 853]);
    expect(sizes(1024 * GiB, { memoryMiB: 512, uploadsInFlight: 3 })).toEqual([128, 2, 469]);
    expect(sizes(1024 * GiB, { memoryMiB: 192, uploadsInFlight: 16 })).toEqual([32, 2, 181]);
  });

  it('does not raise a number in flight that the policy sets below two', () => {
    expect(sizes(1024 * GiB, { memoryMiB: 512, uploadsInFlight: 1 })).toEqual([128, 1, 341]);
  });

  it('has a volume for each of several streams, and for frames that each compresses; then fewer streams', () => {
    const several = (wanted: number, budget: object) => {
      const { volumeBytes, uploadsInFlight, streams, memoryMiB } = sizesFor(
        GiB,
        { ...roomy, ...budget },
        wanted,
      );
      return [volumeBytes / MiB, uploadsInFlight, streams, memoryMiB];
    };
    expect(several(8, { codec: 'none' })).toEqual([32, 3, 8, 437]);
    expect(several(8, {})).toEqual([32, 3, 8, 541]);
    expect(several(8, { memoryMiB: 512 })).toEqual([32, 2, 8, 509]);
    expect(several(16, { memoryMiB: 512 })).toEqual([32, 2, 8, 509]);
    expect(several(4, { memoryMiB: 192 })).toEqual([32, 2, 1, 181]);
    expect(several(1, { memoryMiB: 512 })).toEqual([32, 3, 1, 213]);
  });
});
