import { describe, expect, it } from 'vitest';
import type {
  XbstreamEvent,
  XbstreamFlavour,
} from '../../../../../../runner/engines/mysql/xbstream/events.ts';
import { bufferedLimit, makeXbstreamParser } from '../../../../../../runner/engines/mysql/xbstream/parser.ts';
import {
  chunkOf,
  fileOf,
  smallMariadbStream,
  smallPerconaStream,
} from '../../../../../doubles/xbstream-writer.ts';

function parse(flavour: XbstreamFlavour, ...parts: Buffer[]) {
  const events: XbstreamEvent[] = [];
  const parser = makeXbstreamParser(flavour, (event) => events.push(event));
  const failure = parser.push(Buffer.concat(parts));
  return { events, failure, state: parser.state() };
}

const sizes = (files: ReadonlyMap<string, { bytes: number }>) =>
  Object.fromEntries([...files].map(([path, { bytes }]) => [path, bytes]));

describe('the xbstream parser', () => {
  it('tells where every payload lies in the stream, so that a part of a file can be read back', () => {
    const stream = smallMariadbStream();
    const { events, failure } = parse('mariadb', stream);
    expect(failure).toBeUndefined();
    const system = events.filter((e) => e.kind === 'chunk').filter((e) => e.path === 'ibdata1');
    expect(system.map((e) => stream.toString('latin1', e.streamOffset, e.streamOffset + e.length))).toEqual([
      'system',
      'space',
    ]);
    expect(system.map((e) => e.fileOffset)).toEqual([0, 6]);
    for (const event of events) {
      expect(stream.toString('latin1', event.headerOffset, event.headerOffset + 8)).toBe('XBSTCK01');
    }
  });

  it('applies renames, removals, rewrites and seeks of MariaDB', () => {
    const { state, events } = parse('mariadb', smallMariadbStream());
    expect(sizes(state.files)).toMatchObject({
      'd/x.MAI': 3,
      'd/x.MAD': 3,
      'd/x.frm': 1,
      'aria_log.00000001': 11,
    });
    expect([...state.files.keys()].filter((path) => /gone|old/.test(path))).toEqual([]);
    expect(events.filter((e) => e.kind === 'seek')).toMatchObject([{ fileOffset: 3 }]);
    expect(events.filter((e) => e.kind === 'chunk' && e.rewrite)).toMatchObject([{ path: 'd/x.frm' }]);
  });

  it('counts the holes of a Percona sparse chunk into the file and tells its map', () => {
    const { state, events, failure } = parse('percona', smallPerconaStream());
    expect(failure).toBeUndefined();
    expect(state.files.get('d/a.ibd')).toMatchObject({ bytes: 44, ended: true });
    expect(events.find((e) => e.kind === 'chunk' && e.sparse)).toMatchObject({
      fileOffset: 4,
      length: 6,
      sparse: [
        { skip: 10, write: 4 },
        { skip: 12, write: 2 },
        { skip: 8, write: 0 },
      ],
    });
  });

  it.each([
    ['another magic', 'magic', Buffer.from('XBSTCK02aaaaaaaa')],
    ['an unknown type', 'type', chunkOf.raw('X', 'a', 0)],
    ['an unknown type marked as ignorable', 'type', chunkOf.raw('X', 'a', 1)],
    ['an unknown flag', 'flags', chunkOf.payload('a', 'x', 0, 4)],
    ['the rewrite flag on an end', 'flags', chunkOf.raw('E', 'a', 2)],
    ['a path of 512 bytes', 'path-length', chunkOf.payload('a'.repeat(512), 'x')],
    ['an empty path', 'path-length', chunkOf.end('')],
    ['F70 an absolute path', 'path', chunkOf.payload('/etc/passwd', 'x')],
    ['F70 a path that climbs', 'path', chunkOf.payload('d/../../x', 'x')],
    ['F70 a path with a dot', 'path', chunkOf.end('./x')],
    ['F70 a path with NUL', 'path', chunkOf.end('a\0b')],
    ['F70 a path with an empty segment', 'path', chunkOf.end('a//b')],
    ['F70 a path that ends with a slash', 'path', chunkOf.end('a/')],
    ['F70 a path with a backslash', 'path', chunkOf.end('a\\b')],
    [
      'F70 a rename out of the directory',
      'path',
      Buffer.concat([fileOf('a', 'x'), chunkOf.rename('a', '../b')]),
    ],
    ['a pattern where a file belongs', 'path', chunkOf.end('d/*')],
    ['a file that begins with a gap', 'offset', chunkOf.payload('a', 'x', 1)],
    ['bytes twice', 'offset', Buffer.concat([chunkOf.payload('a', 'x'), chunkOf.payload('a', 'x')])],
    ['an offset beyond 2^53', 'number', chunkOf.payload('a', 'x', 2n ** 60n)],
    [
      'bytes that are not where the seek went',
      'offset',
      Buffer.concat([chunkOf.payload('a', 'xyz'), chunkOf.seek('a', 1), chunkOf.payload('a', 'y', 2)]),
    ],
    [
      'a seek without bytes',
      'offset',
      Buffer.concat([chunkOf.payload('a', 'xyz'), chunkOf.seek('a', 1), chunkOf.end('a')]),
    ],
    ['a seek in no file', 'not-open', chunkOf.seek('a', 1)],
    ['a file that comes again', 'reopened', Buffer.concat([fileOf('a', 'x'), fileOf('a', 'x')])],
    ['a file that ends twice', 'reopened', Buffer.concat([fileOf('a', 'x'), chunkOf.end('a')])],
    [
      'a rename of an open file',
      'still-open',
      Buffer.concat([chunkOf.payload('a', 'x'), chunkOf.rename('a', 'b')]),
    ],
    [
      'a removal of an open file',
      'still-open',
      Buffer.concat([chunkOf.payload('a', 'x'), chunkOf.remove('a')]),
    ],
    [
      'a removal of a directory with an open file',
      'still-open',
      Buffer.concat([chunkOf.payload('d/a', 'x'), chunkOf.remove('d')]),
    ],
    [
      'a rewrite flag in the middle of a file',
      'flags',
      Buffer.concat([chunkOf.payload('a', 'x'), chunkOf.payload('a', 'y', 1, 2)]),
    ],
  ])('refuses %s', (_what, fault, bytes) => {
    const good = fileOf('d/ok', 'fine');
    const { failure } = parse('mariadb', good, bytes);
    expect(failure).toMatchObject({ fault });
    expect(failure!.streamOffset).toBeGreaterThanOrEqual(good.length);
    expect(failure!.streamOffset).toBeLessThan(good.length + bytes.length);
  });

  it('refuses a payload whose checksum differs, and names chunk and file', () => {
    const bad = chunkOf.payload('d/t.ibd', 'page');
    bad[bad.length - 1]! ^= 1;
    const { failure, events } = parse('mariadb', fileOf('a', ''), bad);
    expect(failure).toMatchObject({
      fault: 'checksum',
      path: 'd/t.ibd',
      streamOffset: fileOf('a', '').length,
    });
    expect(events.map((e) => e.kind)).toEqual(['end']);
  });

  it('stays failed, whatever comes after', () => {
    const parser = makeXbstreamParser('mariadb');
    const first = parser.push(Buffer.from('XBSTCK99aaaaaaaaaa'));
    expect(parser.push(fileOf('a', 'x'))).toBe(first);
    expect(parser.state().files.size).toBe(0);
  });

  it.each([
    ['mariadb', chunkOf.sparse('a', 'x', 0, [[0, 1]])],
    ['percona', Buffer.concat([fileOf('a', 'x'), chunkOf.rename('a', 'b')])],
    ['percona', Buffer.concat([fileOf('a', 'x'), chunkOf.remove('a')])],
    ['percona', chunkOf.payload('a', 'x', 0, 2)],
    [
      'percona',
      Buffer.concat([chunkOf.payload('a', 'xy'), chunkOf.seek('a', 1), fileOf('b', 'y'.repeat(99))]),
    ],
  ] as const)('refuses for %s what only the other flavour writes', (flavour, bytes) => {
    expect(parse(flavour, bytes, fileOf('z', 'z')).failure).toBeDefined();
  });

  it('refuses a sparse map that does not add up or is too long to hold', () => {
    expect(parse('percona', chunkOf.sparse('a', 'xyz', 0, [[1, 2]])).failure).toMatchObject({
      fault: 'sparse-map',
    });
    const huge = chunkOf.sparse('a', 'x', 0, [[0, 1]]);
    huge.writeUInt32LE(65_537, 15);
    expect(parse('percona', huge).failure).toMatchObject({ fault: 'sparse-map' });
  });

  it('removes a directory and what a pattern names, and remembers what mbstream would leave', () => {
    const { state } = parse(
      'mariadb',
      fileOf('d/t#P#p0.MYD', 'x'),
      fileOf('d/t#P#p1.MYD', 'x'),
      fileOf('d/t2.MYD', 'x'),
      chunkOf.remove('d/t#P#*'),
      fileOf('gone/a.MYD', 'x'),
      fileOf('gone2/a.MYD', 'x'),
      chunkOf.remove('gone'),
      fileOf('d/t#P#p1.MYD', 'again', 2),
    );
    expect([...state.files.keys()]).toEqual(['d/t2.MYD', 'gone2/a.MYD', 'd/t#P#p1.MYD']);
    expect([...state.strays]).toEqual(['d/t#P#p0.MYD']);
  });

  it('notes a rename without its file until that file comes, goes, or moves on', () => {
    const missed = (...parts: Buffer[]) => [
      ...parse('mariadb', fileOf('d/db.opt', 'x'), ...parts).state.missedRenames,
    ];
    const lost = chunkOf.rename('d/a.MAD', 'd/b.MAD');
    expect(missed(lost)).toEqual([['d/b.MAD', 'd/a.MAD']]);
    expect(missed(lost, fileOf('d/b.MAD', 'x', 2))).toEqual([]);
    expect(missed(lost, chunkOf.remove('d/b.MAD'))).toEqual([]);
    expect(missed(lost, chunkOf.remove('d'))).toEqual([]);
    expect(missed(lost, chunkOf.rename('d/b.MAD', 'd/c.MAD'))).toEqual([['d/c.MAD', 'd/b.MAD']]);
    expect(missed(chunkOf.rename('d/a.ARM', 'd/b.ARM'))).toEqual([]);
    expect(missed(fileOf('d/a.MAD', 'x'), chunkOf.rename('d/a.MAD', 'nowhere/a.MAD'))).toEqual([
      ['nowhere/a.MAD', 'd/a.MAD'],
    ]);
  });

  it('holds back no more than a header, a sparse map and small metadata, however large a chunk is', () => {
    const parser = makeXbstreamParser('mariadb');
    const size = 256 * 1024 * 1024;
    const head = chunkOf.payload('d/big.ibd', '');
    head.writeBigUInt64LE(BigInt(size), 14 + 'd/big.ibd'.length);
    const block = Buffer.alloc(64 * 1024);
    let most = 0;
    const push = (bytes: Buffer) => {
      parser.push(bytes);
      most = Math.max(most, parser.state().bufferedBytes);
    };
    for (const byte of head) push(Buffer.of(byte));
    const before = process.memoryUsage();
    for (let done = 0; done < size; done += block.length) push(block);
    const after = process.memoryUsage();
    expect(most).toBeLessThanOrEqual(bufferedLimit.mariadb);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(8 * 1024 * 1024);
    expect(parser.state().failure).toMatchObject({ fault: 'checksum' });
  });

  it('holds at most one sparse map, and lets go of a metadata file that is not small', () => {
    const percona = makeXbstreamParser('percona');
    const map = Array.from({ length: 65_536 }, () => [1, 0] as const);
    let most = 0;
    for (const byte of [chunkOf.sparse('a', '', 0, map), chunkOf.end('a')].flatMap((b) => [
      b.subarray(0, 9),
      b.subarray(9, 99),
      b.subarray(99),
    ])) {
      expect(percona.push(byte)).toBeUndefined();
      most = Math.max(most, percona.state().bufferedBytes);
    }
    expect(most).toBe(bufferedLimit.percona);
    const big = parse(
      'mariadb',
      fileOf('xtrabackup_info', 'x'.repeat(70_000)),
      fileOf('xtrabackup_checkpoints', 'y'),
    );
    expect(big.state.content('xtrabackup_info')).toBeUndefined();
    expect(big.state.content('xtrabackup_checkpoints')?.toString()).toBe('y');
    expect(big.state.bufferedBytes).toBe(1);
  });
});
