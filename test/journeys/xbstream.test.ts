import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { requiredFiles, verdict } from '../../runner/engines/mysql/xbstream/completeness.ts';
import { makeXbstreamParser } from '../../runner/engines/mysql/xbstream/parser.ts';
import { smallMariadbStream } from '../doubles/xbstream-writer.ts';

/** Unpacks with the real mbstream: its exit code and what it left, path to size. */
function unpack(stream: Buffer): { code: number | null; files: Record<string, number> } {
  const directory = mkdtempSync(join(tmpdir(), 'mbstream-'));
  try {
    const { status } = spawnSync('mbstream', ['-x', '-C', directory], { input: stream });
    const files: Record<string, number> = {};
    for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (entry.isFile()) files[relative(directory, path)] = statSync(path).size;
    }
    return { code: status, files };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function judge(stream: Buffer) {
  const parser = makeXbstreamParser('mariadb');
  parser.push(stream);
  return verdict({
    state: parser.state(),
    exitCode: 0,
    signal: null,
    stderrTail: 'completed OK!',
    requiredFiles: requiredFiles('mariadb', true),
  });
}

const fixture = (name: string) =>
  zstdDecompressSync(
    readFileSync(join(import.meta.dirname, '../fixtures/mbstream', `${name}-10.11.mbs.zst`)),
  );

describe('beside the real mbstream', () => {
  it.each([
    ['a quiet server', () => fixture('quiet')],
    ['a server with DDL', () => fixture('ddl')],
    ['our own writer', smallMariadbStream],
  ])('the files of a complete stream of %s are what mbstream leaves', (_what, stream) => {
    const bytes = stream();
    const found = judge(bytes);
    const { code, files } = unpack(bytes);
    expect(code).toBe(0);
    expect(found.complete && Object.fromEntries(found.files.map((file) => [file.path, file.bytes]))).toEqual(
      files,
    );
  });

  it('F08 whatever mbstream refuses of a cut or damaged stream is refused here too', () => {
    const stream = smallMariadbStream();
    let refusedByBoth = 0;
    for (let at = 5; at < stream.length; at += 29) {
      const damaged = Buffer.from(stream);
      damaged[at]! ^= 0x10;
      for (const bytes of [stream.subarray(0, at), damaged]) {
        expect(judge(bytes).complete).toBe(false);
        if (unpack(bytes).code !== 0) refusedByBoth++;
      }
    }
    expect(refusedByBoth).toBeGreaterThan(30);
  });
});
