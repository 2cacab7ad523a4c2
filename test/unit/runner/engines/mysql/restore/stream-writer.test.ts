import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeStreamWriter } from '../../../../../../runner/engines/mysql/restore/stream-writer.ts';
import { chunkOf, fileOf } from '../../../../../doubles/xbstream-writer.ts';

describe('unpacking a stream', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'unpack-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const roomy = { bytes: 1e9, files: 1000 };
  const unpack = async (stream: Buffer, step = stream.length, most = roomy) => {
    const writer = makeStreamWriter(root, most);
    try {
      for (let at = 0; at < stream.length; at += step) await writer.push(stream.subarray(at, at + step));
      return await writer.end();
    } finally {
      await writer.close();
    }
  };
  const read = (path: string) => readFileSync(join(root, path), 'utf8');

  it('writes the same files however the stream is cut', async () => {
    const stream = Buffer.concat([
      chunkOf.payload('shop/a.ibd', 'one'),
      chunkOf.payload('shop/b.ibd', 'x'),
      chunkOf.payload('shop/a.ibd', 'two', 3),
      chunkOf.end('shop/b.ibd'),
      chunkOf.end('shop/a.ibd'),
      chunkOf.end('empty'),
    ]);
    for (const step of [1, 7, 64, stream.length]) {
      await unpack(stream, step);
      expect([read('shop/a.ibd'), read('shop/b.ibd'), read('empty')]).toEqual(['onetwo', 'x', '']);
      rmSync(join(root, 'shop'), { recursive: true });
      rmSync(join(root, 'empty'));
    }
  });

  it('applies seeks, rewrites, renames and removals', async () => {
    const rewrite = 0x02;
    await unpack(
      Buffer.concat([
        chunkOf.payload('log', 'aaaa'),
        chunkOf.seek('log', 2),
        chunkOf.payload('log', 'BB', 2),
        chunkOf.end('log'),
        fileOf('db/t.CSV', 'long text'),
        fileOf('db/t.CSV', 'short', rewrite),
        fileOf('db/old.frm', 'frm'),
        chunkOf.rename('db/old.frm', 'db/new.frm'),
        fileOf('db/gone.frm', 'x'),
        chunkOf.remove('db/gone.frm'),
        fileOf('db/p#P#a.MYD', 'x'),
        chunkOf.remove('db/p#P#*'),
      ]),
    );
    expect([read('log'), read('db/t.CSV'), read('db/new.frm')]).toEqual(['aaBB', 'short', 'frm']);
    for (const path of ['db/old.frm', 'db/gone.frm', 'db/p#P#a.MYD']) {
      expect(existsSync(join(root, path))).toBe(false);
    }
  });

  it('writes no byte of a chunk whose checksum is wrong', async () => {
    const stream = fileOf('a.ibd', 'payload');
    stream[stream.indexOf('payload')]! ^= 1;
    await expect(unpack(stream)).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
    expect(existsSync(join(root, 'a.ibd'))).toBe(false);
  });

  it('F70 follows no link and overwrites no file', async () => {
    const outside = join(root, 'outside');
    writeFileSync(outside, 'precious');
    symlinkSync(outside, join(root, 'a.ibd'));
    await expect(unpack(fileOf('a.ibd', 'evil'))).rejects.toThrow();
    await expect(unpack(fileOf('outside', 'evil'))).rejects.toThrow();
    await expect(unpack(fileOf('../evil', 'evil'))).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
    expect(readFileSync(outside, 'utf8')).toBe('precious');
  });

  it('F71 writes no more bytes and opens no more files than its manifest accounts for', async () => {
    const names = ['a.ibd', 'b.ibd', 'c.ibd'];
    const stream = Buffer.concat(names.map((name) => fileOf(name, 'x'.repeat(100))));
    await expect(unpack(stream, 64, { bytes: 250, files: 3 })).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining('250'),
    });
    expect(existsSync(join(root, 'c.ibd'))).toBe(false);
    const empty = Buffer.concat(['d', 'e', 'f'].map((name) => fileOf(name, '')));
    await expect(unpack(empty, 64, { bytes: 1, files: 2 })).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
    });
    expect(existsSync(join(root, 'f'))).toBe(false);
  });

  it('F71 makes no file with a hole larger than all that is due', async () => {
    const stream = Buffer.concat([
      chunkOf.payload('log', 'a'),
      chunkOf.seek('log', 2 ** 50),
      chunkOf.payload('log', 'b', 2 ** 50),
      chunkOf.end('log'),
    ]);
    await expect(unpack(stream)).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
    expect(statSync(join(root, 'log')).size).toBeLessThan(10);
  });
});
