import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinCrc } from '../../../../runner/stream/crc.ts';
import { noise } from '../../../unit/runner/stream/at-double.ts';

describe('the CRC32 of pieces', () => {
  it('joined is that of the whole, however it was cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(70_000), { maxLength: 8 }), fc.nat(1000), (sizes, seed) => {
        const pieces = sizes.map((size, n) => noise(size, seed + n));
        const joined = pieces.reduce((crc, piece) => joinCrc(crc, crc32(piece), piece.length), 0);
        expect(joined).toBe(crc32(Buffer.concat(pieces)));
      }),
      { seed: 20261125, numRuns: 200 },
    );
  });

  it('is the same whichever pieces are joined first, also behind more bytes than 32 bits count', () => {
    const crc = fc.integer({ min: 0, max: 0xffffffff });
    const bytes = fc.integer({ min: 0, max: 2 ** 50 });
    fc.assert(
      fc.property(crc, crc, crc, bytes, bytes, (first, second, third, ofSecond, ofThird) => {
        const fromTheLeft = joinCrc(joinCrc(first, second, ofSecond), third, ofThird);
        const fromTheRight = joinCrc(first, joinCrc(second, third, ofThird), ofSecond + ofThird);
        expect(fromTheLeft).toBe(fromTheRight);
      }),
      { seed: 20261125, numRuns: 500 },
    );
  });
});
