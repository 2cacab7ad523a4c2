import { describe, expect, it } from 'vitest';
import type { IndexChunk, IndexFile, IndexFrame } from '../../../../contract/formats/index-file.ts';
import { countNeeded, neededOf } from '../../../../contract/formats/needed-bytes.ts';

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
const rowsOf = (files: IndexFile[], chunks: IndexChunk[]) => ({
  files: () => each(files),
  chunks: () => each(chunks),
});
const chunk = (path: string, off: number, bytes: number, from: number): IndexChunk => ({
  t: 'chunk',
  stream: 'main',
  path,
  off,
  bytes,
  from,
  crc: '00000000',
});
const file = (path: string, bytes: number, chunks?: IndexFile['chunks']): IndexFile => ({
  t: 'file',
  stream: 'main',
  path,
  bytes,
  ...(chunks === undefined ? {} : { chunks }),
});
const frame = (n: number, from: number, bytes: number, stored: number): IndexFrame => ({
  t: 'frame',
  stream: 'main',
  n,
  at: 0,
  stored,
  from,
  bytes,
});

describe('what must be read for some files', () => {
  const chunks = [
    chunk('a', 0, 100, 10),
    chunk('b', 0, 50, 120),
    chunk('a', 100, 100, 180),
    chunk('b', 50, 50, 290),
  ];
  const files = [
    file('a', 200, { path: 'a', from: 0, to: 281 }),
    file('c', 100, { path: 'b', from: 111, to: 341 }),
  ];

  it('is their chunks, under the name that they had when these were written', async () => {
    const {
      files: found,
      chunks: needed,
      faults,
    } = await neededOf(rowsOf(files, chunks), (path) => (path === 'c' ? 'table' : undefined));
    expect(faults).toEqual([]);
    expect(found.map(({ path, role }) => [path, role])).toEqual([['c', 'table']]);
    expect(needed.map(({ off, from }) => [off, from])).toEqual([
      [0, 120],
      [50, 290],
    ]);
  });

  it('tells two files of one name apart by where they lie in the stream', async () => {
    const again = [
      file('t', 100, { path: 'x', from: 0, to: 111 }),
      file('x', 50, { path: 'x', from: 111, to: 171 }),
    ];
    const { chunks: needed } = await neededOf(
      rowsOf(again, [chunk('x', 0, 100, 10), chunk('x', 0, 50, 120)]),
      (path) => (path === 'x' ? 'table' : undefined),
    );
    expect(needed.map(({ from }) => from)).toEqual([120]);
  });

  it('is refused where the index leaves out bytes of a file', async () => {
    const faults = async (of: IndexChunk[]) => (await neededOf(rowsOf(files, of), () => 'table')).faults;
    expect(await faults(chunks.toSpliced(2, 1))).toEqual(['a has 200 bytes and pieces up to 100']);
    expect(await faults(chunks.toSpliced(0, 1))).toEqual(['nothing is said of bytes 0 to 100 of a']);
    expect(await faults([...chunks, chunk('a', 0, 10, 15)])).toEqual([
      'two pieces lie at 15 of the stream (a)',
    ]);
  });

  it('is counted in whole frames for what is read, and in shares of them for what the files take', async () => {
    const { chunks: needed } = await neededOf(rowsOf(files, chunks), (path) =>
      path === 'a' ? 'table' : 'fixed',
    );
    const frames = [
      frame(0, 0, 115, 60),
      frame(0, 115, 65, 30),
      frame(1, 180, 100, 100),
      frame(1, 280, 70, 7),
    ];
    expect(await countNeeded(needed, each(frames), ['table', 'fixed'])).toEqual({
      frames: 4,
      // 60 × 100/115 and 100; 30 × 50/65 and 7 × 50/70.
      stored: { table: 152, fixed: 28 },
      read: { table: 160, fixed: 37 },
    });
  });
});
