import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32, zstdDecompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type IndexFrame,
  type IndexRow,
  type IndexVolume,
  indexRowSchema,
} from '../../../../contract/formats/index-file.ts';
import type { Manifest } from '../../../../contract/formats/manifest.ts';
import type { GetObject } from '../../../../runner/stream/get-object.ts';
import type { PutObject } from '../../../../runner/stream/put-object.ts';
import { openSinks } from '../../../../runner/stream/sink.ts';
import { openStored } from '../../../../runner/stream/stored.ts';
import { noise } from '../../../unit/runner/stream/at-double.ts';

/** What a tool does to its sink. */
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('write' as const), bytes: fc.nat(150_000), seed: fc.nat() }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('zeros' as const), bytes: fc.nat(400_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('boundary' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('spool' as const), on: fc.boolean() }) },
);
const run = fc.record({
  codec: fc.constantFrom('zstd' as const, 'none' as const),
  volumeBytes: fc.integer({ min: 20_000, max: 600_000 }),
  frameBytes: fc.integer({ min: 1000, max: 300_000 }),
  uploadsInFlight: fc.integer({ min: 1, max: 4 }),
  compressInFlight: fc.integer({ min: 1, max: 3 }),
  spoolBytes: fc.integer({ min: 1, max: 200_000 }),
  steps: fc.array(step, { minLength: 1, maxLength: 40 }),
  /** Milliseconds of each put in turn: uploads overtake each other. */
  delays: fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }),
});

/** An object store in memory that counts what it is asked to hold at once. */
function memoryStore(delays: number[]) {
  const objects = new Map<string, Buffer>();
  let running = 0;
  let puts = 0;
  const most = { running: 0 };
  const putObject: PutObject = async ({ key, body, crc }) => {
    running += 1;
    most.running = Math.max(most.running, running);
    await sleep(delays[puts++ % delays.length]!);
    running -= 1;
    if (objects.has(key)) throw new Error(`${key} was put twice`);
    if (crc32(body) !== crc) throw new Error(`${key} came with a wrong CRC32`);
    objects.set(key, Buffer.from(body));
    return { versionId: `version of ${key}` };
  };
  const getObject: GetObject = async ({ key, versionId, from, into }) => {
    if (versionId !== `version of ${key}`) throw new Error(`${key} was asked for without its version`);
    objects.get(key)!.copy(into, 0, from, from + into.length);
  };
  return { objects, putObject, getObject, most };
}

describe('the streaming path', () => {
  it('gives back any stream, however it is written, cut and stored, and its index tiles it exactly', async () => {
    await fc.assert(
      fc.asyncProperty(run, async (given) => {
        const store = memoryStore(given.delays);
        const place = { clusterId: 'c1', backupId: 'b1' };
        const sinks = openSinks({
          place,
          jobId: 'j1',
          plan: given,
          policy: { codec: given.codec, zstdLevel: 1 },
          putObject: store.putObject,
          spoolDir: tmpdir(),
          spoolBytes: given.spoolBytes,
          compressInFlight: given.compressInFlight,
        });
        const sink = sinks.open('main');
        const written: Buffer[] = [];
        for (const step of [...given.steps, { do: 'write' as const, bytes: 1, seed: 9 }]) {
          if (step.do === 'boundary') sink.fileBoundary();
          else if (step.do === 'drain') await sink.drain();
          else if (step.do === 'spool') sink.spool(step.on);
          else {
            const bytes = step.do === 'zeros' ? Buffer.alloc(step.bytes) : noise(step.bytes, step.seed);
            written.push(Buffer.from(bytes));
            await sink.write(bytes);
            // The caller may use its buffer again as soon as the write has resolved.
            bytes.fill(0xee);
            if (step.do === 'write' && step.seed % 7 === 0) expect(sink.pending()).toBeGreaterThanOrEqual(0);
          }
        }
        const streams = await sinks.finish();
        const content = Buffer.concat(written);
        expect(sink.pending()).toBe(0);
        expect(store.most.running).toBeLessThanOrEqual(given.uploadsInFlight);

        // As somebody without holdfast reads it.
        const volumes = [...store.objects]
          .filter(([key]) => key.includes('/volumes/main/'))
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([, bytes]) => bytes);
        const stored = Buffer.concat(volumes);
        const plain =
          given.codec === 'none'
            ? stored
            : execFileSync('zstd', ['-d', '-c'], { input: stored, maxBuffer: 64 * 1024 * 1024 });
        expect(plain.equals(content)).toBe(true);

        // As the index says.
        const rows: IndexRow[] = zstdDecompressSync(store.objects.get(streams[0]!.index.key)!)
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => indexRowSchema.parse(JSON.parse(line)));
        const volumeRows = rows.filter((row): row is IndexVolume => row.t === 'volume');
        const frameRows = rows.filter((row): row is IndexFrame => row.t === 'frame');
        expect(volumeRows.map((row) => row.n)).toEqual(volumes.map((_, n) => n));
        expect(volumeRows.map((row) => row.bytes)).toEqual(volumes.map((bytes) => bytes.length));
        expect(volumes.every((bytes) => bytes.length <= given.volumeBytes)).toBe(true);
        const at = volumes.map(() => 0);
        let from = 0;
        for (const frame of frameRows) {
          expect([frame.at, frame.from]).toEqual([at[frame.n], from]);
          expect(frame.bytes).toBeLessThanOrEqual(given.frameBytes);
          const piece = volumes[frame.n]!.subarray(frame.at, frame.at + frame.stored);
          const part = given.codec === 'none' ? piece : zstdDecompressSync(piece);
          expect(part.equals(content.subarray(from, from + frame.bytes))).toBe(true);
          at[frame.n]! += frame.stored;
          from += frame.bytes;
        }
        expect(at).toEqual(volumes.map((bytes) => bytes.length));
        expect(from).toBe(content.length);
        expect(streams[0]).toMatchObject({
          volumes: volumes.length,
          bytes: content.length,
          storedBytes: stored.length,
          frames: frameRows.length,
        });

        // As a restore reads it.
        const back = await openStored({
          manifest: { ...place, streams } as unknown as Manifest,
          getObject: store.getObject,
          signal: new AbortController().signal,
          memoryMiB: 512,
        });
        let behind = 0;
        const held: Buffer[] = [];
        const giveBack = () => {
          const piece = held.shift()!;
          expect(piece.equals(content.subarray(behind, behind + piece.length))).toBe(true);
          behind += piece.length;
          // Whoever gives back twice takes nothing from those who have the memory by then.
          back.done(piece);
          back.done(piece);
        };
        for await (const piece of back.read('main'))
          if (held.push(piece) > given.compressInFlight) giveBack();
        while (held.length > 0) giveBack();
        expect(behind).toBe(content.length);
      }),
      { numRuns: 40 },
    );
  });
});
