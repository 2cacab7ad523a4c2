import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Manifest, StreamSummary } from '../../../../contract/formats/manifest.ts';
import { volumeKey } from '../../../../contract/layout.ts';
import { rangesInFlight } from '../../../../runner/stream/frame-reader.ts';
import { openSinks } from '../../../../runner/stream/sink.ts';
import { openStored } from '../../../../runner/stream/stored.ts';
import { type S3Server, type StoredObject, startS3Server } from '../../../doubles/s3-server.ts';
import { noise, storeAt } from './at-double.ts';

const KiB = 1024;
/** Half noise, half zeros, so that frames have many lengths. */
const content = Buffer.concat(
  Array.from({ length: 30 }, (_, i) => Buffer.concat([noise(60_000, i + 1), Buffer.alloc(50_000)])),
);

describe.each(['zstd', 'none'] as const)('a stored backup (%s)', (codec) => {
  const place = { clusterId: 'c1', backupId: `b-${codec}` };
  let s3: S3Server;
  let store: ReturnType<typeof storeAt>;
  let streams: StreamSummary[];
  let pristine: Map<string, StoredObject>;

  beforeAll(async () => {
    s3 = await startS3Server();
    store = storeAt(s3, { connections: 8 });
    const sinks = openSinks({
      place,
      jobId: 'j1',
      plan: { volumeBytes: 512 * KiB, uploadsInFlight: 2, frameBytes: 128 * KiB },
      policy: { codec, zstdLevel: 1 },
      putObject: store.putObject,
      spoolDir: tmpdir(),
    });
    await sinks.open('main').write(content);
    streams = await sinks.finish();
    pristine = new Map(s3.objects);
  });
  afterAll(async () => {
    await store.close();
    await s3.stop();
  });
  beforeEach(() => {
    s3.objects.clear();
    for (const [key, object] of pristine) s3.objects.set(key, object);
  });

  const manifestOf = (changed: StreamSummary[] = streams) =>
    ({ ...place, streams: changed }) as unknown as Manifest;
  const read = async (manifest = manifestOf()) => {
    const signal = new AbortController().signal;
    const stored = await openStored({ manifest, getObject: store.getObject, signal, memoryMiB: 512 });
    const pieces: Buffer[] = [];
    for await (const piece of stored.read('main')) pieces.push(piece);
    return Buffer.concat(pieces);
  };
  const lastKey = () => volumeKey(place, 'main', streams[0]!.volumes - 1);
  const change = (key: string, edit: (bytes: Buffer) => Buffer) => {
    const object = s3.objects.get(key)!;
    s3.objects.set(key, { ...object, bytes: edit(Buffer.from(object.bytes)) });
  };
  /** Puts a changed index in place, and a manifest that vouches for it. */
  const withIndex = (edit: (rows: string[]) => string[]): Manifest => {
    const { key } = streams[0]!.index;
    const rows = zstdDecompressSync(s3.objects.get(key)!.bytes).toString().trimEnd().split('\n');
    const bytes = zstdCompressSync(`${edit(rows).join('\n')}\n`);
    change(key, () => bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const index = { ...streams[0]!.index, bytes: bytes.length, sha256 };
    return manifestOf([{ ...streams[0]!, index }]);
  };

  it('reads back the bytes that were written also where each piece is given back as soon as it is used', async () => {
    const signal = new AbortController().signal;
    const stored = await openStored({
      manifest: manifestOf(),
      getObject: store.getObject,
      signal,
      memoryMiB: 160,
    });
    const hash = createHash('sha256');
    // Up to three are held, as by whoever waits for the end of a chunk.
    const held: Buffer[] = [];
    const use = (piece: Buffer) => {
      hash.update(piece);
      stored.done(piece);
    };
    for await (const piece of stored.read('main')) {
      held.push(piece);
      if (held.length > 3) use(held.shift()!);
    }
    held.forEach(use);
    expect(hash.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'));
  });

  it('reads back the bytes that were written', async () => {
    expect(streams[0]!.volumes).toBeGreaterThan(3);
    expect((await read()).equals(content)).toBe(true);
  });

  it('F24: reads on through broken connections and a busy store', async () => {
    s3.fault({ method: 'GET', times: 3, kind: { do: 'reset-mid-body', after: 20_000 } });
    s3.fault({ method: 'GET', times: 2, kind: { do: 'answer', status: 503, code: 'SlowDown' } });
    expect((await read()).equals(content)).toBe(true);
  });

  it('F27: one bit of a volume is Restore.StreamDamaged, naming its key', async () => {
    const key = volumeKey(place, 'main', 2);
    change(key, (bytes) => {
      bytes[bytes.length >> 1]! ^= 1;
      return bytes;
    });
    await expect(read()).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining(key),
    });
  });

  it('F27: a volume that was cut, is gone or is another one of equal length is damage', async () => {
    change(lastKey(), (bytes) => bytes.subarray(0, bytes.length - 1));
    await expect(read()).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
    s3.objects.delete(lastKey());
    await expect(read()).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining(lastKey()),
    });
    s3.objects.set(lastKey(), pristine.get(lastKey())!);
    change(lastKey(), (bytes) => noise(bytes.length, 77));
    await expect(read()).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
  });

  it('F27: an index that is not the manifest’s is damage, before a byte is handed out', async () => {
    change(streams[0]!.index.key, (bytes) => {
      bytes[20]! ^= 1;
      return bytes;
    });
    await expect(read()).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining(streams[0]!.index.key),
    });
  });

  it.each<[string, (rows: string[]) => string[]]>([
    [
      'lacks the last volume',
      (rows) => rows.filter((row) => !row.includes(`"n":${streams[0]!.volumes - 1}`)),
    ],
    ['lacks a frame', (rows) => rows.filter((row) => !/"frame".*"n":1,"at":0,/.test(row))],
    [
      'moves a frame',
      (rows) => rows.map((row) => (row.includes('"from":0,') ? row.replace('"at":0', '"at":1') : row)),
    ],
    ['has a line that is no JSON', (rows) => [...rows, '{']],
    ['lacks a volume between', (rows) => rows.filter((row) => !/"n":1[,}]/.test(row))],
  ])('an index that %s is damage', async (_what, edit) => {
    await expect(read(withIndex(edit))).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
  });

  it.each([
    ['bytes', 2 ** 50],
    ['stored', 2 ** 40],
  ])(
    'F71: a frame of %s that no memory holds is refused before room is made for it',
    async (field, value) => {
      const manifest = withIndex((rows) => {
        const at = rows.findIndex((row) => row.includes('"frame"') && row.includes('"from":0,'));
        return rows.with(at, JSON.stringify({ ...JSON.parse(rows[at]!), [field]: value }));
      });
      await expect(read(manifest)).rejects.toMatchObject({
        name: 'Restore.StreamDamaged',
        message: expect.stringContaining(`${value}`),
      });
    },
  );

  it.each([-1, 0, 2 ** 40])(
    'F71: an index of %i bytes is refused before room is made for it',
    async (bytes) => {
      const index = { ...streams[0]!.index, bytes };
      await expect(read(manifestOf([{ ...streams[0]!, index }]))).rejects.toMatchObject({
        name: 'Restore.StreamDamaged',
        message: expect.stringContaining(`${bytes} bytes`),
      });
    },
  );

  it('rows of kinds that this reader does not know are passed over', async () => {
    const manifest = withIndex((rows) => [...rows, '{"t":"news","stream":"main","x":1}']);
    expect((await read(manifest)).equals(content)).toBe(true);
  });

  it('a length that differs from the manifest’s is damage', async () => {
    const manifest = manifestOf([{ ...streams[0]!, bytes: content.length + 1 }]);
    await expect(read(manifest)).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
  });

  it('stops asking when its reader leaves', async () => {
    const stored = await openStored({
      manifest: manifestOf(),
      getObject: store.getObject,
      signal: new AbortController().signal,
      memoryMiB: 512,
    });
    for await (const piece of stored.read('main')) if (piece.length > 0) break;
    const seen = s3.seen.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(s3.seen.length).toBe(seen);
  });
});

describe('the ranges that are fetched at once', () => {
  it('follow from the memory budget', () => {
    expect([192, 224, 320, 512, 4096].map(rangesInFlight)).toEqual([2, 4, 8, 8, 8]);
  });
});

describe.each(['zstd', 'none'] as const)('some files of a stored backup (%s)', (codec) => {
  const place = { clusterId: 'c1', backupId: `f-${codec}` };
  const bytesOf = (path: string) => noise(path.charCodeAt(0) * 4321, path.charCodeAt(0));
  const paths = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  let s3: S3Server;
  let store: ReturnType<typeof storeAt>;
  let streams: StreamSummary[];
  let pristine: Map<string, StoredObject>;

  beforeAll(async () => {
    s3 = await startS3Server();
    store = storeAt(s3, { connections: 8 });
    const sinks = openSinks({
      place,
      jobId: 'j1',
      plan: { volumeBytes: 512 * KiB, uploadsInFlight: 2, frameBytes: 128 * KiB },
      policy: { codec, zstdLevel: 1 },
      putObject: store.putObject,
      spoolDir: tmpdir(),
    });
    const sink = sinks.open('main');
    let from = 0;
    const write = async (bytes: Buffer) => {
      from += bytes.length;
      await sink.write(bytes);
    };
    const began = new Map<string, number>();
    // Two pieces of each, those of two files in turn; a header before each piece and one at each file's end.
    for (const part of [0, 1]) {
      for (const path of paths) {
        const bytes = bytesOf(path);
        const half = part === 0 ? bytes.subarray(0, 100_000) : bytes.subarray(100_000);
        if (part === 0) began.set(path, from);
        await write(Buffer.alloc(40));
        const crc = crc32(half).toString(16).padStart(8, '0');
        sink.row({ t: 'chunk', stream: 'main', path, off: part * 100_000, bytes: half.length, from, crc });
        await write(Buffer.from(half));
        const to = from;
        await write(Buffer.alloc(14));
        if (part === 1) {
          const chunks = { path, from: began.get(path)!, to };
          sink.row({ t: 'file', stream: 'main', path, bytes: bytes.length, chunks });
        }
      }
    }
    sink.row({
      t: 'file',
      stream: 'main',
      path: 'empty',
      bytes: 0,
      chunks: { path: 'empty', from: 0, to: 1 },
    });
    streams = await sinks.finish();
    pristine = new Map(s3.objects);
  });
  afterAll(async () => {
    await store.close();
    await s3.stop();
  });
  beforeEach(() => {
    s3.objects.clear();
    for (const [key, object] of pristine) s3.objects.set(key, object);
  });

  const read = async (wanted: readonly string[]) => {
    let fetched = 0;
    const getObject: typeof store.getObject = (request) => {
      if (request.key.includes('/volumes/')) fetched += request.into.length;
      return store.getObject(request);
    };
    const signal = new AbortController().signal;
    const manifest = { ...place, streams } as unknown as Manifest;
    const stored = await openStored({ manifest, getObject, signal, memoryMiB: 512 });
    const { files, pieces, bytes } = await stored.readFiles('main', (known) => {
      expect(known.toSorted()).toEqual([...paths, 'empty'].toSorted());
      return (path) => wanted.includes(path);
    });
    const found = new Map(files.map((file) => [file.path, Buffer.alloc(file.bytes)]));
    const ended: string[] = [];
    for await (const piece of pieces) {
      piece.bytes.copy(found.get(piece.path)!, piece.off);
      if (piece.last) ended.push(piece.path);
    }
    return { found, ended, bytes, fetched };
  };

  it('are read whole, by ranges of what holds them and no more', async () => {
    const { found, ended, bytes, fetched } = await read(['b', 'f', 'empty']);
    expect([...found.keys()].toSorted()).toEqual(['b', 'empty', 'f']);
    for (const path of ['b', 'f']) expect(found.get(path)!.equals(bytesOf(path))).toBe(true);
    expect(ended).toEqual(['b', 'f']);
    expect(bytes).toBe(bytesOf('b').length + bytesOf('f').length);
    // Noise does not shrink; each of four pieces shares at most a frame at either end.
    expect(fetched).toBeLessThan(bytes + 4 * 2 * 128 * KiB + 1024);
    const all = streams[0]!.storedBytes;
    expect(fetched).toBeLessThan(all * 0.6);
    expect((await read(paths)).fetched).toBeLessThanOrEqual(all);
    expect((await read(['empty'])).fetched).toBe(0);
  });

  it('are refused where a byte of them differs, and not for what others hold', async () => {
    const keys = [...pristine.keys()].filter((key) => key.includes('/volumes/'));
    let refused = 0;
    for (const key of keys) {
      const object = pristine.get(key)!;
      const bytes = Buffer.from(object.bytes);
      bytes[bytes.length >> 1]! ^= 1;
      s3.objects.set(key, { ...object, bytes });
      const outcome = await read(['c']).catch((error: Error) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ name: 'Restore.StreamDamaged' });
        refused += 1;
      } else expect(outcome.found.get('c')!.equals(bytesOf('c'))).toBe(true);
      s3.objects.set(key, object);
    }
    expect(refused).toBeGreaterThan(0);
    expect(refused).toBeLessThan(keys.length);
  });

  it('are refused where a volume of them is missing', async () => {
    for (const key of pristine.keys()) if (key.includes('/volumes/')) s3.objects.delete(key);
    await expect(read(['a'])).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
  });
});
