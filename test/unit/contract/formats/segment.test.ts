import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  type SegmentHeader,
  segmentHeaderSchema,
  segmentIndexSchema,
} from '../../../../contract/formats/segment.ts';
import {
  encodeSegmentHeader,
  encodeSegmentIndex,
  firstFrameBytes,
  readSegmentHead,
  readSegmentIndex,
} from '../../../../contract/formats/segment-codec.ts';
import { segmentKey, segmentPlaceOf } from '../../../../contract/layout.ts';

const kept = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../../../fixtures/formats/v1/${name}.json`), 'utf8'));
const index = segmentIndexSchema.parse(kept('segment-index'));

function segmentOf(log: Buffer): { header: SegmentHeader; bytes: Buffer } {
  const indexText = Buffer.from(encodeSegmentIndex(index));
  const indexFrame = zstdCompressSync(indexText);
  const logFrames = [log.subarray(0, log.length / 2), log.subarray(log.length / 2)].map((part) => ({
    frame: zstdCompressSync(part),
    bytes: part.length,
  }));
  const header = segmentHeaderSchema.parse({
    ...kept('segment-header'),
    frames: {
      index: { stored: indexFrame.length, bytes: indexText.length },
      log: logFrames.map(({ frame, bytes }) => ({ stored: frame.length, bytes })),
    },
  });
  const head = zstdCompressSync(encodeSegmentHeader(header), {
    params: { [constants.ZSTD_c_checksumFlag]: 1 },
  });
  return { header, bytes: Buffer.concat([head, indexFrame, ...logFrames.map(({ frame }) => frame)]) };
}

describe('a segment', () => {
  const log = Buffer.from('begin update commit\n'.repeat(400));
  const { header, bytes } = segmentOf(log);

  it('is read from its first bytes alone, and its parts lie where the header says', () => {
    const parts = readSegmentHead(bytes.subarray(0, 2000), zstdDecompressSync)!;
    expect(parts.header).toEqual(header);
    expect(parts.bytes).toBe(bytes.length);
    const part = ({ from, to }: { from: number; to: number }) => bytes.subarray(from, to);
    expect(readSegmentIndex(part(parts.index), zstdDecompressSync)).toEqual(index);
    const frames = parts.log.map((frame) => zstdDecompressSync(part(frame)));
    expect(frames.map(({ length }) => length)).toEqual(parts.log.map((frame) => frame.bytes));
    expect(Buffer.concat(frames).equals(log)).toBe(true);
  });

  it('is ordinary zstd: two lines, then the bytes of the log', () => {
    const all = execFileSync('zstd', ['-dc'], { input: bytes });
    const first = all.indexOf(10);
    const second = all.indexOf(10, first + 1);
    expect(JSON.parse(all.subarray(0, first).toString())).toMatchObject({ t: 'segment' });
    expect(JSON.parse(all.subarray(first, second).toString())).toMatchObject({ t: 'index' });
    expect(all.subarray(second + 1).equals(log)).toBe(true);
  });

  it('asks for more where the header is not there in full, at every length', () => {
    const size = firstFrameBytes(bytes)!;
    for (let n = 0; n < size; n++)
      expect(readSegmentHead(bytes.subarray(0, n), zstdDecompressSync)).toBeUndefined();
    expect(firstFrameBytes(bytes.subarray(0, size))).toBe(size);
  });

  it.each([10, 5_000, 200_000, 3_000_000])('finds the end of a frame that stands for %i bytes', (n) => {
    const content = Buffer.alloc(n, 'abc').map((byte, i) => (i % 1000 < 500 ? byte : (i * 7919) & 255));
    const frame = zstdCompressSync(content);
    expect(firstFrameBytes(Buffer.concat([frame, frame]))).toBe(frame.length);
  });

  it('refuses other things by name', () => {
    expect(() => readSegmentHead(Buffer.from('not a segment'), zstdDecompressSync)).toThrow(
      expect.objectContaining({ name: 'Log.Damaged' }),
    );
    const broken = Buffer.from(bytes);
    broken[60]! ^= 255;
    expect(() => readSegmentHead(broken, zstdDecompressSync)).toThrow(
      expect.objectContaining({ name: 'Log.Damaged' }),
    );
    const newer = zstdCompressSync(JSON.stringify({ ...header, v: 2 }));
    expect(() => readSegmentHead(newer, zstdDecompressSync)).toThrow(
      expect.objectContaining({ name: 'Format.Newer' }),
    );
  });

  it('has a key that says where it belongs', () => {
    const place = {
      clusterId: 'orders',
      set: 'main',
      timeline: '20261120T080000Z-4be1a90c7d2f',
      day: '2026-11-23',
      seq: 4710,
      random: '8c1f6e2d90ab4375',
    };
    expect(segmentKey(place)).toBe(header.previous!.key);
    expect(segmentPlaceOf(segmentKey(place))).toEqual(place);
    expect(segmentPlaceOf('orders/logs/main/x/2026-11-23/1-a.segment')).toBeUndefined();
  });
});
