import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type IndexRow, indexRowSchema } from '../../../../contract/formats/index-file.ts';
import type { StreamSink } from '../../../../runner/engines/engine.ts';
import type { PutObject, PutRequest } from '../../../../runner/stream/put-object.ts';
import { openSinks, type SinksOptions } from '../../../../runner/stream/sink.ts';
import { noise } from './at-double.ts';

/** What a write gives: something to wait for, or nothing. */
type Settling = ReturnType<StreamSink['write']>;

const MiB = 1024 * 1024;
const place = { clusterId: 'c1', backupId: 'b1' };

/** A store whose puts end when the test says so. */
function heldStore() {
  const puts: { request: PutRequest; bytes: Buffer; end: () => void; fail: (error: Error) => void }[] = [];
  let automatic = false;
  let running = 0;
  let mostRunning = 0;
  const putObject: PutObject = (request) => {
    running += 1;
    mostRunning = Math.max(mostRunning, running);
    const { promise, resolve, reject } = Promise.withResolvers<{ versionId: string | null }>();
    const bytes = Buffer.from(request.body);
    const put = {
      request,
      bytes,
      end: () => resolve({ versionId: `v${request.key}` }),
      fail: reject,
    };
    request.signal?.addEventListener('abort', () => reject(request.signal?.reason));
    puts.push(put);
    if (automatic) setImmediate(put.end);
    return promise.finally(() => {
      running -= 1;
    });
  };
  return {
    putObject,
    puts,
    mostRunning: () => mostRunning,
    /** From now on every put ends soon, also those that are held. */
    letGo: () => {
      automatic = true;
      for (const put of puts) put.end();
    },
    keys: () => puts.map((put) => put.request.key),
    volumes: () => puts.filter((put) => put.request.key.includes('/volumes/')).map((put) => put.bytes),
    rows: (): IndexRow[] => {
      const index = puts.find((put) => put.request.key.includes('/index/'))!;
      const text = zstdDecompressSync(index.bytes).toString('utf8');
      return text
        .trimEnd()
        .split('\n')
        .map((line) => indexRowSchema.parse(JSON.parse(line)));
    },
  };
}

describe('the sinks of a backup', () => {
  let store: ReturnType<typeof heldStore>;
  let spoolDir: string;
  beforeEach(() => {
    store = heldStore();
    spoolDir = mkdtempSync(join(tmpdir(), 'sink-test-'));
  });
  afterEach(() => rmSync(spoolDir, { recursive: true }));

  const open = (more: Partial<SinksOptions> = {}) =>
    openSinks({
      place,
      jobId: 'j1',
      plan: { volumeBytes: 4 * MiB, uploadsInFlight: 2, frameBytes: 2 * MiB },
      policy: { codec: 'none', zstdLevel: 1 },
      putObject: store.putObject,
      spoolDir,
      ...more,
    });
  const settlesWithin = async (ms: number, promise: Settling) => {
    const mark = Symbol('open');
    return (await Promise.race([Promise.resolve(promise).catch(() => undefined), sleep(ms, mark)])) !== mark;
  };
  const goesOn = async (promise: Settling) => expect(await settlesWithin(5000, promise)).toBe(true);
  const waits = async (promise: Settling) => expect(await settlesWithin(30, promise)).toBe(false);

  it('stores volumes in order, then the index, and says what it stored', async () => {
    const sinks = open();
    store.letGo();
    const bytes = noise(9 * MiB);
    await sinks.open('main').write(bytes);
    const [summary] = await sinks.finish();
    expect(store.keys().sort()).toEqual([
      'c1/backups/b1/index/j1.jsonl.zst',
      'c1/backups/b1/volumes/main/000000',
      'c1/backups/b1/volumes/main/000001',
      'c1/backups/b1/volumes/main/000002',
    ]);
    expect(Buffer.concat(store.volumes()).equals(bytes)).toBe(true);
    expect(summary).toMatchObject({
      stream: 'main',
      jobId: 'j1',
      codec: 'none',
      volumes: 3,
      bytes: 9 * MiB,
      storedBytes: 9 * MiB,
      frames: 5,
      index: { key: 'c1/backups/b1/index/j1.jsonl.zst', version: 'vc1/backups/b1/index/j1.jsonl.zst' },
    });
    expect(store.rows()[0]).toEqual({ t: 'head', v: 1, ...place, jobId: 'j1' });
  });

  it('ends a frame at a change of file once it holds 1 MiB, and not before', async () => {
    const sinks = open();
    store.letGo();
    const sink = sinks.open('main');
    await sink.write(noise(MiB - 1));
    sink.fileBoundary();
    await sink.write(noise(1));
    sink.fileBoundary();
    await sink.write(noise(10));
    await sinks.finish();
    const frames = store.rows().filter((row) => row.t === 'frame');
    expect(frames.map(({ from, bytes }) => [from, bytes])).toEqual([
      [0, MiB],
      [MiB, 10],
    ]);
  });

  it('keeps the rows of the engine, in place', async () => {
    const sinks = open();
    store.letGo();
    const sink = sinks.open('main');
    const chunk: IndexRow = {
      t: 'chunk',
      stream: 'main',
      path: './a b.ibd',
      off: 0,
      bytes: 5,
      from: 3,
      crc: '00000000',
    };
    await sink.write(noise(100));
    sink.row(chunk);
    await sinks.finish();
    expect(store.rows()).toContainEqual(chunk);
  });

  it('lets no more uploads run than the plan says, and makes the writer wait meanwhile', async () => {
    const sinks = open();
    const sink = sinks.open('main');
    // One volume on its way and one all but full: all buffers there are.
    await sink.write(noise(8 * MiB - 1));
    const waiting = sink.write(noise(2));
    await waits(waiting);
    expect(store.puts).toHaveLength(2);
    store.puts[0]!.end();
    await goesOn(waiting);
    store.letGo();
    await sinks.finish();
    expect(store.mostRunning()).toBe(2);
  });

  it.each(['none', 'zstd'] as const)('fills the same few buffers again and again (%s)', async (codec) => {
    const sinks = open({ policy: { codec, zstdLevel: 1 } });
    store.letGo();
    const sink = sinks.open('main');
    for (let i = 0; i < 15; i += 1) await sink.write(noise(3 * MiB, i));
    await sinks.finish();
    const volumes = store.puts.filter((put) => put.request.key.includes('/volumes/'));
    expect(volumes.length).toBeGreaterThan(10);
    expect(new Set(volumes.map((put) => put.request.body.buffer)).size).toBeLessThanOrEqual(2);
  });

  it('pending counts what is not stored, and drain waits until it is nothing', async () => {
    const sinks = open();
    const sink = sinks.open('main');
    await sink.write(noise(5 * MiB));
    expect(sink.pending()).toBe(5 * MiB);
    const drained = sink.drain();
    await waits(drained);
    store.letGo();
    await drained;
    expect(sink.pending()).toBe(0);
    expect(Buffer.concat(store.volumes()).length).toBe(5 * MiB);
    await sink.write(noise(10));
    const [summary] = await sinks.finish();
    expect(summary).toMatchObject({ volumes: 3, bytes: 5 * MiB + 10 });
  });

  it('two streams share the uploads and one index', async () => {
    const sinks = open();
    store.letGo();
    const [a, b] = [sinks.open('a'), sinks.open('b')];
    await Promise.all([a.write(noise(5 * MiB, 2)), b.write(noise(5 * MiB, 3))]);
    const summaries = await sinks.finish();
    expect(summaries.map(({ stream, volumes }) => [stream, volumes])).toEqual([
      ['a', 2],
      ['b', 2],
    ]);
    expect(store.mostRunning()).toBeLessThanOrEqual(2);
    expect(store.rows().filter((row) => row.t === 'volume')).toHaveLength(4);
  });

  it('bytes that are read to where they land are not touched by other streams, though their volume is stored meanwhile', async () => {
    const sinks = open({ plan: { volumeBytes: 4 * MiB, uploadsInFlight: 1, frameBytes: 2 * MiB } });
    store.letGo();
    const [a, b] = [sinks.open('a'), sinks.open('b')];
    const parts = [noise(MiB, 1), noise(300_000, 2), noise(12 * MiB, 3)] as const;
    await a.write(parts[0]);
    const landing = a.landing!()!;
    await a.drain();
    // Three buffers: b fills each of them in turn.
    await b.write(parts[2].subarray(0, 3 * MiB));
    parts[1].copy(landing);
    await b.write(parts[2].subarray(3 * MiB));
    await a.write(landing.subarray(0, parts[1].length));
    await sinks.finish();
    const stored = (stream: string) =>
      Buffer.concat(
        store.puts
          .filter((put) => put.request.key.includes(`/volumes/${stream}/`))
          .sort((one, other) => (one.request.key < other.request.key ? -1 : 1))
          .map((put) => put.bytes),
      );
    expect(stored('a').equals(Buffer.concat([parts[0], parts[1]]))).toBe(true);
    expect(stored('b').equals(parts[2])).toBe(true);
  });

  describe('in a lock phase', () => {
    it('the spool takes what the uploads do not, and everything comes out in order', async () => {
      const sinks = open();
      const sink = sinks.open('main');
      const bytes = noise(40 * MiB);
      sink.spool(true);
      for (let at = 0; at < bytes.length; at += MiB) {
        await goesOn(sink.write(bytes.subarray(at, at + MiB)));
        if (at === 20 * MiB) sink.fileBoundary();
      }
      sink.spool(false);
      store.letGo();
      await sink.write(Buffer.from('the end'));
      await sinks.finish();
      expect(Buffer.concat(store.volumes()).equals(Buffer.concat([bytes, Buffer.from('the end')]))).toBe(
        true,
      );
      const starts = store
        .rows()
        .filter((row) => row.t === 'frame')
        .map((row) => row.from);
      expect(starts).toContain(21 * MiB);
    });

    it('a writer that already waits is let go when the spool opens', async () => {
      const sinks = open();
      const sink = sinks.open('main');
      const waiting = sink.write(noise(14 * MiB));
      await waits(waiting);
      sink.spool(true);
      await goesOn(waiting);
      store.letGo();
      await sinks.finish();
      expect(Buffer.concat(store.volumes()).length).toBe(14 * MiB);
    });

    it('the spool is bounded: beyond it the writer waits', async () => {
      const sinks = open({ spoolBytes: 3 * MiB });
      const sink = sinks.open('main');
      sink.spool(true);
      await sink.write(noise(11 * MiB - 1));
      const waiting = sink.write(noise(2 * MiB, 5));
      await waits(waiting);
      store.letGo();
      await waiting;
      await sinks.finish();
      const all = Buffer.concat([noise(11 * MiB - 1), noise(2 * MiB, 5)]);
      expect(Buffer.concat(store.volumes()).equals(all)).toBe(true);
    });

    it('the spool leaves no file behind', async () => {
      const sinks = open();
      const sink = sinks.open('main');
      sink.spool(true);
      await sink.write(noise(20 * MiB));
      expect(readdirSync(spoolDir)).toEqual([]);
      await sinks.abort(new Error('over'));
      expect(readdirSync(spoolDir)).toEqual([]);
    });
  });

  it('F06: without finish there is no last volume and no index', async () => {
    const sinks = open();
    store.letGo();
    await sinks.open('main').write(noise(9 * MiB));
    await sinks.abort(new Error('the tool died'));
    expect(store.keys().some((key) => key.includes('index'))).toBe(false);
    expect(store.volumes().map((bytes) => bytes.length)).toEqual([4 * MiB, 4 * MiB]);
  });

  it('F04: a failed upload ends the writers with its own error, and stops the other uploads', async () => {
    const sinks = open();
    const sink = sinks.open('main');
    await sink.write(noise(8 * MiB - 1));
    const waiting = sink.write(noise(2));
    const denied = new Error('denied');
    store.puts[1]!.fail(denied);
    await expect(waiting).rejects.toBe(denied);
    await expect(sink.write(noise(1))).rejects.toBe(denied);
    await expect(sink.drain()).rejects.toBe(denied);
    await expect(sinks.finish()).rejects.toBe(denied);
    expect(store.puts[0]!.request.signal?.aborted).toBe(true);
    expect(store.keys().some((key) => key.includes('index'))).toBe(false);
  });

  it('F04: the first cause is told, not what followed from it', async () => {
    const sinks = open();
    const sink = sinks.open('main');
    await sink.write(noise(5 * MiB));
    const first = new Error('the job was cancelled');
    await sinks.abort(first);
    await sinks.abort(new Error('and then the tool broke'));
    await expect(sink.write(noise(1))).rejects.toBe(first);
    await expect(sinks.finish()).rejects.toBe(first);
  });

  it('a stream without a byte is Backup.Incomplete', async () => {
    const sinks = open();
    store.letGo();
    sinks.open('main');
    await expect(sinks.finish()).rejects.toMatchObject({ name: 'Backup.Incomplete' });
    expect(store.puts).toHaveLength(0);
  });

  it('a volume into which no frame fits is Plan.Refused before a byte is taken', () => {
    expect(() =>
      open({
        plan: { volumeBytes: 100, uploadsInFlight: 1, frameBytes: MiB },
        policy: { codec: 'zstd', zstdLevel: 1 },
      }),
    ).toThrow(expect.objectContaining({ name: 'Plan.Refused' }));
  });
});
