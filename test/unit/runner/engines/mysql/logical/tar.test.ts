import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  isPlainPath,
  makeTarReader,
  paddingOf,
  tarEnd,
  tarHeader,
} from '../../../../../../runner/engines/mysql/logical/tar.ts';

type Entry = { path: string; content: Buffer };

const archiveOf = (entries: readonly Entry[]): Buffer =>
  Buffer.concat([
    ...entries.flatMap(({ path, content }) => [
      tarHeader(path, content.length),
      content,
      Buffer.alloc(paddingOf(content.length)),
    ]),
    tarEnd(),
  ]);

async function read(bytes: Buffer, pieceBytes: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  const reader = makeTarReader({
    file: (path) => void entries.push({ path, content: Buffer.alloc(0) }),
    content: (piece) => {
      const last = entries.at(-1)!;
      last.content = Buffer.concat([last.content, piece]);
    },
    end: () => {},
  });
  for (let at = 0; at < bytes.length; at += pieceBytes)
    await reader.push(bytes.subarray(at, at + pieceBytes));
  reader.end();
  return entries;
}

const entries: Entry[] = [
  { path: 'holdfast/definitions.jsonl', content: Buffer.from('{"a":1}\n') },
  { path: 'dump/shop.empty.sql', content: Buffer.alloc(0) },
  { path: `dump/${'long '.repeat(30)}.sql`, content: Buffer.alloc(513, 'x') },
  { path: 'dump/ünï 表 "?.sql', content: Buffer.alloc(1024, 'y') },
];

describe('the tar of a logical backup', () => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-tar-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  it('is unpacked by tar as it was packed, names longer than 100 bytes and beyond ASCII too', () => {
    const file = join(directory, 'a.tar');
    writeFileSync(file, archiveOf(entries));
    execFileSync('tar', ['-x', '-f', file, '-C', directory], {
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
    });
    for (const { path, content } of entries) expect(readFileSync(join(directory, path))).toEqual(content);
  });

  it.each([1, 7, 511, 512, 1 << 20])('is read back in pieces of %i bytes', async (pieceBytes) => {
    expect(await read(archiveOf(entries), pieceBytes)).toEqual(entries);
  });

  it('is refused when it stops early, at whatever byte', async () => {
    const bytes = archiveOf(entries.slice(0, 2));
    for (const at of [0, 100, 512, 515, 1024, 1536]) {
      await expect(read(bytes.subarray(0, at), 64)).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
    }
  });

  it('is refused where a header was changed, or names a link or a way out', async () => {
    const changed = archiveOf(entries);
    changed[3] = changed[3]! ^ 1;
    await expect(read(changed, 512)).rejects.toThrow('another sum');
    const link = tarHeader('a', 0);
    link[156] = '2'.charCodeAt(0);
    const sum = link.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
    link.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    await expect(read(link, 512)).rejects.toThrow('no plain file');
    await expect(read(archiveOf([{ path: '../up', content: Buffer.alloc(0) }]), 512)).rejects.toThrow(
      'no path of ours',
    );
    expect(['/a', 'a//b', './a', 'a/..', ''].some(isPlainPath)).toBe(false);
  });
});
