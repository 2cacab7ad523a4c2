import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { StreamSink } from '../../../../../runner/engines/engine.ts';
import { makeStreamTee } from '../../../../../runner/engines/mysql/tool-run.ts';
import { fileOf } from '../../../../doubles/xbstream-writer.ts';
import { noise } from '../../../../unit/runner/stream/at-double.ts';

/** A sink that keeps what it is given, and lets the writer wait where the test says so. */
function keepingSink(wait: () => void | Promise<void>) {
  const parts: { bytes: Buffer; crc: number | undefined }[] = [];
  const sink = {
    write: (bytes, crc) => {
      parts.push({ bytes: Buffer.from(bytes), crc });
      return wait();
    },
    fileBoundary: () => {},
    row: () => {},
  } as Partial<StreamSink> as StreamSink;
  return { sink, parts, written: () => Buffer.concat(parts.map(({ bytes }) => bytes)) };
}

const MiB = 1024 * 1024;
const content = (seed: number) => noise(MiB + 10, seed).toString('latin1');
const stream = Buffer.concat([fileOf('a.ibd', content(1)), fileOf('b.ibd', content(2)), fileOf('c', 'end')]);

describe('a tool’s stream on its way to the sink', () => {
  it('gives the sink the CRC32 of what it has checked, and nothing to wait for where the sink has room', () => {
    const { sink, parts } = keepingSink(() => {});
    const tee = makeStreamTee(sink);
    for (let at = 0; at < MiB; at += 100_000) {
      expect(tee.take(stream.subarray(at, at + 100_000))).toBeUndefined();
    }
    for (const { bytes, crc } of parts) expect(crc).toBe(crc32(bytes));
    expect(parts).toHaveLength(11);
  });

  it('loses nothing of what it read where the sink’s memory is used again while it waits between two files', async () => {
    const memory = Buffer.from(stream);
    const { sink, written } = keepingSink(() => Promise.resolve().then(() => void memory.fill(0xee)));
    const tee = makeStreamTee(sink);
    await tee.take(memory);
    expect(written().equals(stream)).toBe(true);
    expect(tee.bytes()).toBe(stream.length);
  });
});
