import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { indexChunkSchema, indexFileSchema } from '../../../../../../contract/formats/index-file.ts';
import { requiredFiles, verdict } from '../../../../../../runner/engines/mysql/xbstream/completeness.ts';
import type { ChunkEvent } from '../../../../../../runner/engines/mysql/xbstream/events.ts';
import { chunkRow, fileRows } from '../../../../../../runner/engines/mysql/xbstream/index-rows.ts';
import {
  parseBinlogInfo,
  parseCheckpoints,
  parseInfo,
} from '../../../../../../runner/engines/mysql/xbstream/metadata.ts';
import { bufferedLimit, makeXbstreamParser } from '../../../../../../runner/engines/mysql/xbstream/parser.ts';
import type { XbstreamState } from '../../../../../../runner/engines/mysql/xbstream/state.ts';
import { tables } from '../../../../../../runner/engines/mysql/xbstream/tables.ts';

const fixtures = join(import.meta.dirname, '../../../../../fixtures/mbstream');
const expand = (name: string) => zstdDecompressSync(readFileSync(join(fixtures, `${name}-10.11.mbs.zst`)));

function read(stream: Buffer) {
  const chunks: ChunkEvent[] = [];
  const parser = makeXbstreamParser('mariadb', (event) => {
    if (event.kind === 'chunk') chunks.push(event);
  });
  let most = 0;
  for (let at = 0; at < stream.length; at += 64 * 1024) {
    parser.push(stream.subarray(at, at + 64 * 1024));
    most = Math.max(most, parser.state().bufferedBytes);
  }
  return { chunks, most, state: parser.state() };
}

const judge = (state: XbstreamState, stderrTail = 'completed OK!\n') =>
  verdict({
    state,
    exitCode: 0,
    signal: null,
    stderrTail,
    requiredFiles: requiredFiles('mariadb', true),
  });

const named = (state: XbstreamState) =>
  tables(state.files.keys(), state.content)
    .filter(({ db }) => db !== 'mysql')
    .map(({ db, table }) => `${db}.${table}`)
    .sort();

describe('a stream of mariadb-backup 10.11 from a quiet server', () => {
  let stream: Buffer;
  let found: ReturnType<typeof read>;
  beforeAll(() => {
    stream = expand('quiet');
    found = read(stream);
  });

  it('is complete, and read with little memory', () => {
    expect(judge(found.state)).toMatchObject({ complete: true, strays: [] });
    expect(found.most).toBeLessThanOrEqual(bufferedLimit.mariadb + 4096);
  });

  it('names every table as the server does', () => {
    expect(named(found.state)).toContain("o'dd näme.t $ä/x");
    expect(named(found.state)).toContain('shop.pm');
  });

  it('keeps what the metadata say', () => {
    const text = (path: string) => found.state.content(path)?.toString('utf8') ?? '';
    const binlog = parseBinlogInfo(text('xtrabackup_binlog_info'));
    expect(binlog).toMatchObject({ file: 'bin.000001', gtid: expect.stringMatching(/^0-77-\d+$/) });
    expect(parseInfo(text('xtrabackup_info'))).toMatchObject({
      toolVersion: '10.11.19-MariaDB',
      partial: false,
      incremental: false,
      binlog,
    });
    expect(parseCheckpoints(text('xtrabackup_checkpoints'))).toMatchObject({
      backupType: 'full-backuped',
      fromLsn: '0',
    });
  });

  it('is indexed so that a file can be put together from parts of the stream', () => {
    const rows = found.chunks.map((chunk) => indexChunkSchema.parse(chunkRow('main', chunk)));
    const frm = rows.filter((row) => row.path === 'shop/customers.frm');
    expect(stream.toString('latin1', frm[0]!.from + 0, frm[0]!.from + 2)).toBe('\xfe\x01');
    const system = rows.filter((row) => row.path === 'ibdata1').reduce((sum, row) => sum + row.bytes, 0);
    const files = fileRows('main', found.state).map((row) => indexFileSchema.parse(row));
    expect(files.find((row) => row.path === 'ibdata1')?.bytes).toBe(system);
  });

  it('F08 is not complete without its last chunk', () => {
    expect(judge(read(stream.subarray(0, -'XBSTCK01......xtrabackup_info'.length)).state).complete).toBe(
      false,
    );
  });
});

describe('a stream of mariadb-backup 10.11 from a server where tables came and went', () => {
  it('is complete, with renames, removals and rewrites applied', () => {
    const { state, chunks } = read(expand('ddl'));
    expect(judge(state)).toMatchObject({ complete: true });
    expect(named(state)).toEqual(
      expect.arrayContaining(['shop.ren_a2', 'shop.new_a', 'shop.new_i', 'fresh.x']),
    );
    for (const gone of ['shop.ren_a', 'shop.del_a', 'shop.del_i', 'gone.ga', 'gone.gi']) {
      expect(named(state)).not.toContain(gone);
    }
    const file = fileRows('main', state).find((row) => row.path === 'shop/ren_a2.MAD');
    expect(file?.chunks?.path).toBe('shop/ren_a.MAD');
    const parts = chunks.filter(
      ({ path, headerOffset }) =>
        path === file!.chunks!.path && headerOffset >= file!.chunks!.from && headerOffset < file!.chunks!.to,
    );
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBe(file?.bytes);
  });

  it('M19 is refused where rows were lost by a rename, although the tool said "completed OK!" and ended with 0', () => {
    const { state } = read(expand('lost-rename'));
    expect(judge(state)).toEqual({
      complete: false,
      reasons: ['ren_a', 'tmp2_a'].flatMap((from) =>
        ['MAD', 'MAI'].map(
          (end) =>
            `shop/${from === 'ren_a' ? 'ren_a2' : 'tmp3_a'}.${end} is missing: ` +
            `it was renamed from shop/${from}.${end} before that was copied`,
        ),
      ),
    });
    expect(named(state)).toContain('shop.ren_i2');
    expect(named(state)).not.toContain('shop.ren_i');
  });
});
