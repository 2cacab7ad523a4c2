import { createCipheriv, createHash } from 'node:crypto';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeRunChild } from '../../../../runner/host/run-child.ts';

const runChild = makeRunChild({ graceMs: 0 });

/** Writes pieces of the given sizes, of bytes that no two places share, and says the SHA-256 of them all on stderr. */
const script = `
  const fs = require('fs');
  const { createHash, createCipheriv } = require('crypto');
  const [sizes, pause] = JSON.parse(process.argv[1]);
  const stream = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
  const hash = createHash('sha256');
  for (const size of sizes) {
    const bytes = stream.update(Buffer.alloc(size));
    hash.update(bytes);
    for (let at = 0; at < size; ) at += fs.writeSync(1, bytes, at);
    if (pause) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  fs.writeSync(2, hash.digest('hex') + '\\n');`;

/** Ways in which a consumer lets go of what it holds: at once, in this turn of the loop, in the next, later. */
const wait = fc.constantFrom('none' as const, 'promise' as const, 'turn' as const, 'timer' as const);
const waits: Record<'promise' | 'turn' | 'timer', () => Promise<unknown>> = {
  promise: () => Promise.resolve(),
  turn: () => turn(),
  timer: () => sleep(2),
};

/** Reads that went where `stdoutInto` said, over all runs. */
let readInto = 0;

const sizes = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 700_000 }), fc.constant(262_144)),
  { minLength: 1, maxLength: 25 },
);

describe('stdout of a tool, read into one buffer or where it is wanted', () => {
  it('arrives whole, once and in order, and stays as it is while the consumer holds it', async () => {
    await fc.assert(
      fc.asyncProperty(
        sizes,
        fc.boolean(),
        fc.boolean(),
        fc.array(wait, { minLength: 1, maxLength: 7 }),
        fc.array(fc.option(fc.integer({ min: 1, max: 300_000 })), { minLength: 1, maxLength: 5 }),
        async (pieces, pause, byGrandchild, order, places) => {
          const hash = createHash('sha256');
          let received = 0;
          let reads = 0;
          let held = 0;
          let asked = 0;
          let place: Buffer | undefined;
          const argument = JSON.stringify([pieces, pause]);
          const end = await runChild({
            // A grandchild that goes on writing when the tool itself has ended well.
            command: byGrandchild ? '/bin/sh' : process.execPath,
            args: byGrandchild
              ? ['-c', '"$@" & exit 0', 'sh', process.execPath, '-e', script, argument]
              : ['-e', script, argument],
            onStdout: (bytes) => {
              expect(held).toBe(0);
              if (place !== undefined) {
                expect(bytes.buffer).toBe(place.buffer);
                expect(bytes.length).toBeLessThanOrEqual(place.length);
                readInto += 1;
              }
              place = undefined;
              const how = order[reads++ % order.length]!;
              hash.update(bytes);
              received += bytes.length;
              if (how === 'none') return;
              held = bytes.length;
              const before = crc32(bytes);
              return waits[how]().then(() => {
                expect(crc32(bytes)).toBe(before);
                held = 0;
              });
            },
            stdoutInto: () => {
              expect(held).toBe(0);
              const bytes = places[asked++ % places.length];
              place = bytes == null ? undefined : Buffer.alloc(bytes);
              return place;
            },
          });
          expect(end).toMatchObject({ exitCode: 0, firstCause: undefined });
          expect(received).toBe(pieces.reduce((sum, size) => sum + size, 0));
          expect(end.stderrTail).toEqual([hash.digest('hex')]);
        },
      ),
      { seed: 20261125, numRuns: 40 },
    );
    expect(readInto).toBeGreaterThan(20);
  });

  it('is a beginning of what the tool wrote when the job is ended, and nothing comes afterwards', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(3_000_000),
        fc.array(wait, { minLength: 1, maxLength: 7 }),
        async (enough, order) => {
          const stop = new AbortController();
          const reason = new Error('ended');
          const received: Buffer[] = [];
          let bytesIn = 0;
          let reads = 0;
          const end = await runChild({
            command: process.execPath,
            args: ['-e', script, JSON.stringify([Array(400).fill(100_000), false])],
            signal: stop.signal,
            onStdout: (bytes) => {
              received.push(Buffer.from(bytes));
              bytesIn += bytes.length;
              if (bytesIn >= enough) stop.abort(reason);
              const how = order[reads++ % order.length]!;
              return how === 'none' ? undefined : waits[how]().then(() => undefined);
            },
          });
          const atTheEnd = bytesIn;
          await sleep(5);
          expect(bytesIn).toBe(atTheEnd);
          expect(end.firstCause).toBe(reason);
          expect(bytesIn).toBeGreaterThanOrEqual(enough);
          expect(bytesIn).toBeLessThan(40_000_000);
          const whole = createCipheriv('aes-128-ctr', Buffer.alloc(16, 1), Buffer.alloc(16));
          expect(Buffer.concat(received).equals(whole.update(Buffer.alloc(bytesIn)))).toBe(true);
        },
      ),
      { seed: 20261125, numRuns: 20 },
    );
  });
});
