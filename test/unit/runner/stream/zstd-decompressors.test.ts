import { constants, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { type Decompressors, makeDecompressors } from '../../../../runner/stream/zstd-decompressors.ts';
import { noise } from './at-double.ts';

const KiB = 1024;
const most = 64 * KiB;
const frameOf = (content: Buffer) =>
  zstdCompressSync(content, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

describe('decompressors', () => {
  let made: Decompressors | undefined;
  const open = () => {
    made = makeDecompressors(most);
    return made;
  };
  afterEach(() => made?.close());

  it('give every frame its content, from none to the most, one after the other and several at once', async () => {
    const { decompress } = open();
    const contents = [1, 7, 4000, most - 1, most, 300, 65_000, 2].map((bytes, i) =>
      i % 2 ? noise(bytes, i + 1) : Buffer.alloc(bytes, i),
    );
    for (const content of contents) {
      const { bytes, giveBack } = await decompress(frameOf(content), content.length);
      expect(bytes.equals(content)).toBe(true);
      giveBack();
    }
    const together = await Promise.all(contents.map((c) => decompress(frameOf(c), c.length)));
    expect(together.map(({ bytes }, i) => bytes.equals(contents[i]!))).toEqual(contents.map(() => true));
  });

  it('use memory that was given back again, and no other', async () => {
    const { decompress } = open();
    const [first, second] = [noise(5000, 1), noise(5000, 2)];
    const kept = await decompress(frameOf(first), first.length);
    const returned = await decompress(frameOf(second), second.length);
    returned.giveBack();
    const again = await decompress(frameOf(noise(5000, 3)), 5000);
    expect(again.bytes.buffer).toBe(returned.bytes.buffer);
    expect(kept.bytes.equals(first)).toBe(true);
  });

  it.each([
    ['is no frame', noise(300, 4), 300],
    ['has more content than it should', frameOf(Buffer.alloc(1000)), 999],
    ['is a bomb of 256 MiB', frameOf(Buffer.alloc(256 * KiB * KiB)), most],
    ['goes on behind its end', Buffer.concat([frameOf(Buffer.alloc(10)), Buffer.from('more')]), 10],
    ['has a wrong checksum', Buffer.concat([frameOf(noise(500, 5)).subarray(0, -4), Buffer.alloc(4)]), 500],
  ])('refuse what %s', async (_, stored, bytes) => {
    await expect(open().decompress(stored, bytes)).rejects.toThrow();
  });

  it('give less than was told for a frame that is cut', async () => {
    const cut = frameOf(noise(most, 6)).subarray(0, 40_000);
    const { bytes } = await open().decompress(cut, most);
    expect(bytes.length).toBeLessThan(most);
  });
});
