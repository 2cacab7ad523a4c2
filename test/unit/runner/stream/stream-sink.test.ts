import { describe, expect, it } from 'vitest';
import { makeBell } from '../../../../runner/stream/bell.ts';
import type { Frames } from '../../../../runner/stream/frames.ts';
import type { Spool } from '../../../../runner/stream/spool.ts';
import { makeStreamSink } from '../../../../runner/stream/stream-sink.ts';
import type { Volumes } from '../../../../runner/stream/volumes.ts';

/** A sink whose frames have memory for landing and room when the test says so; what they took comes in order. */
function sinkWithFrames() {
  const memory = Buffer.alloc(1000);
  const bell = makeBell();
  const taken: Buffer[] = [];
  const state = { room: 0 };
  const frames: Frames = {
    landing: () => memory,
    take: (bytes) => {
      const n = Math.min(state.room, bytes.length);
      taken.push(Buffer.from(bytes.subarray(0, n)));
      state.room -= n;
      return n;
    },
    boundary: () => {},
    flush: async () => {},
    count: () => 0,
  };
  const volumes = { streamBytesStored: () => 0 } as Volumes;
  const spool = { size: () => 0 } as Spool;
  const { signal } = new AbortController();
  const sink = makeStreamSink({ frames, volumes, spool, bell, signal, fail: () => {}, row: () => {} });
  const giveRoom = (bytes: number) => {
    state.room = bytes;
    bell.ring();
  };
  return { sink, memory, giveRoom, taken: () => Buffer.concat(taken).toString() };
}

describe('a stream’s sink', () => {
  it('gives nothing to wait for where there is room', () => {
    const { sink, giveRoom, taken } = sinkWithFrames();
    giveRoom(100);
    expect(sink.write(Buffer.from('at once'))).toBeUndefined();
    expect(taken()).toBe('at once');
  });

  it('keeps what must wait, though the memory where it landed is filled again', async () => {
    const { sink, memory, giveRoom, taken } = sinkWithFrames();
    giveRoom(4);
    const landing = sink.landing!()!;
    landing.write('read to its place');
    const waiting = sink.write(landing.subarray(0, 17));
    expect(waiting).toBeInstanceOf(Promise);
    memory.fill('x');
    giveRoom(100);
    await waiting;
    expect(taken()).toBe('read to its place');
  });

  it('offers no place while something waits', async () => {
    const { sink, giveRoom } = sinkWithFrames();
    const waiting = sink.write(Buffer.from('later'));
    expect(sink.landing!()).toBeUndefined();
    giveRoom(100);
    await waiting;
    expect(sink.landing!()).toBeDefined();
  });
});
