import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { indexRowSchema } from '../../../../contract/formats/index-file.ts';
import type { PutObject } from '../../../../runner/stream/put-object.ts';
import { openSinks, type StreamSinks } from '../../../../runner/stream/sink.ts';
import { noise } from '../../../unit/runner/stream/at-double.ts';

const spoolDir = mkdtempSync(join(tmpdir(), 'several-'));
afterAll(() => rmSync(spoolDir, { recursive: true, force: true }));

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.nat(90_000), summed: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('boundary' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('spool' as const), on: fc.boolean() }) },
);
/**
 * Streams that share few uploads. As a socket's reader does, each writes from one buffer that is used again after every
 * write, or, after a write that nobody had to wait for, from where the next bytes land.
 */
const run = fc.record({
  codec: fc.constantFrom('zstd' as const, 'none' as const),
  volumeBytes: fc.integer({ min: 20_000, max: 300_000 }),
  frameBytes: fc.integer({ min: 8000, max: 300_000 }),
  uploadsInFlight: fc.integer({ min: 1, max: 3 }),
  compressInFlight: fc.integer({ min: 1, max: 2 }),
  spoolBytes: fc.integer({ min: 1, max: 200_000 }),
  streams: fc.array(fc.array(step, { minLength: 1, maxLength: 20 }), { minLength: 2, maxLength: 4 }),
  delays: fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
  /** What happens at the so-many-th put, where there is one. */
  at: fc.nat(5),
});
type Run = typeof run extends fc.Arbitrary<infer T> ? T : never;

function openRun(given: Run, beforePut: (n: number) => void) {
  const objects = new Map<string, Buffer>();
  let puts = 0;
  const putObject: PutObject = async ({ key, body, crc }) => {
    const n = puts++;
    beforePut(n);
    await sleep(given.delays[n % given.delays.length]!);
    expect(crc32(body)).toBe(crc);
    objects.set(key, Buffer.from(body));
    return { versionId: null };
  };
  const sinks = openSinks({
    place: { clusterId: 'c1', backupId: 'b1' },
    jobId: 'j1',
    plan: given,
    policy: { codec: given.codec, zstdLevel: 1 },
    putObject,
    spoolDir,
    spoolBytes: given.spoolBytes,
    compressInFlight: given.compressInFlight,
  });
  return { sinks, objects, puts: () => puts };
}

/** Writes into the place of the next bytes, over all runs. */
let landed = 0;

/** Writes one stream; says the SHA-256 of what was written. */
async function writeStream(sinks: StreamSinks, name: string, steps: Run['streams'][number]) {
  const sink = sinks.open(name);
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(90_000);
  let landing: Buffer | undefined;
  for (const [n, step] of [...steps, { do: 'write' as const, bytes: 1, summed: true }].entries()) {
    if (step.do === 'boundary') sink.fileBoundary();
    else if (step.do === 'drain') await sink.drain();
    else if (step.do === 'spool') sink.spool(step.on);
    else {
      const bytes = (landing ?? buffer).subarray(0, step.bytes);
      noise(bytes.length, n).copy(bytes);
      hash.update(bytes);
      const waiting = sink.write(bytes, step.summed ? crc32(bytes) : undefined);
      await waiting;
      landing = waiting === undefined ? sink.landing?.() : undefined;
      if (landing !== undefined) landed += 1;
      buffer.fill(0xee);
    }
  }
  return hash.digest('hex');
}

/** A run of so few bytes that takes longer waits for itself. */
const within = <T>(work: Promise<T>): Promise<T> =>
  Promise.race([
    work,
    sleep(5_000, undefined, { ref: false }).then(() => {
      throw new Error('the streams wait for each other');
    }),
  ]);

describe('several streams that share a job’s buffers', () => {
  it('never wait for each other, and each arrives as it was written', async () => {
    await fc.assert(
      fc.asyncProperty(run, async (given) => {
        const { sinks, objects } = openRun(given, () => {});
        const sums = await within(
          Promise.all(given.streams.map((steps, n) => writeStream(sinks, `s${n}`, steps))),
        );
        const streams = await within(sinks.finish());
        const rows = zstdDecompressSync(objects.get(streams[0]!.index.key)!)
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => indexRowSchema.parse(JSON.parse(line)));
        const arrived = streams.map(({ stream }) => {
          const hash = createHash('sha256');
          for (const row of rows) {
            if (row.t !== 'frame' || row.stream !== stream) continue;
            const volume = [...objects].find(([key]) =>
              key.endsWith(`/volumes/${stream}/${String(row.n).padStart(6, '0')}`),
            )![1];
            const piece = volume.subarray(row.at, row.at + row.stored);
            hash.update(given.codec === 'none' ? piece : zstdDecompressSync(piece));
          }
          return hash.digest('hex');
        });
        expect(arrived).toEqual(sums);
        expect(readdirSync(spoolDir)).toEqual([]);
      }),
      { seed: 20261125, numRuns: 30 },
    );
    expect(landed).toBeGreaterThan(100);
  });

  it('all end with the first cause when one put fails or the job is ended, and nothing is sent after that', async () => {
    let struck = 0;
    await fc.assert(
      fc.asyncProperty(run, fc.boolean(), async (given, ends) => {
        const cause = new Error('the cause');
        let happened = false;
        const { sinks, puts } = openRun(given, (n) => {
          if (n !== given.at) return;
          happened = true;
          if (!ends) throw cause;
          void sinks.abort(cause);
        });
        const written = await within(
          Promise.allSettled(given.streams.map((steps, n) => writeStream(sinks, `s${n}`, steps))),
        );
        const finished = await within(
          sinks.finish().then(
            () => 'finished',
            (error: unknown) => error,
          ),
        );
        if (!happened) return void expect(finished).toBe('finished');
        struck += 1;
        // The index is the last put: when it has begun no writer is there any more to be told.
        for (const stream of written) if (stream.status === 'rejected') expect(stream.reason).toBe(cause);
        if (!ends || finished !== 'finished') expect(finished).toBe(cause);
        await within(sinks.abort(cause));
        const sent = puts();
        await sleep(5);
        expect(puts()).toBe(sent);
        expect(readdirSync(spoolDir)).toEqual([]);
      }),
      { seed: 20261125, numRuns: 40 },
    );
    expect(struck).toBeGreaterThan(10);
  });
});
