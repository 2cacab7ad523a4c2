import { describe, expect, it } from 'vitest';
import { makeMarkRemover, streamNames } from '../../../../../runner/engines/mysql/fifo-streams.ts';
import { verdict } from '../../../../../runner/engines/mysql/xbstream/completeness.ts';
import { joinStates } from '../../../../../runner/engines/mysql/xbstream/join-states.ts';
import { makeXbstreamParser } from '../../../../../runner/engines/mysql/xbstream/parser.ts';
import { fileOf } from '../../../../doubles/xbstream-writer.ts';

const stateOf = (bytes: Buffer) => {
  const parser = makeXbstreamParser('percona');
  parser.push(bytes);
  return parser.state();
};
const metadata = ['xtrabackup_info', 'xtrabackup_checkpoints', 'backup-my.cnf', 'xtrabackup_logfile'];
const of = (...paths: string[]) => Buffer.concat(paths.map((path) => fileOf(path, `content of ${path}`)));
const judged = (...streams: Buffer[]) => {
  const parts = streams.map((bytes, n) => ({ stream: `fifo-${n}`, state: stateOf(bytes) }));
  const decision = verdict({
    state: joinStates([parts[0]!, ...parts.slice(1)]),
    exitCode: 0,
    signal: null,
    stderrTail: 'completed OK!',
    requiredFiles: metadata.map((name) => [name] as const),
  });
  return decision.complete ? decision.files.map(({ path }) => path) : decision.reasons;
};

describe('the streams of a tool that writes several', () => {
  it('have the names of the plan', () => {
    expect(streamNames({})).toEqual(['main']);
    expect(streamNames({ fifoStreams: 3 })).toEqual(['fifo-0', 'fifo-1', 'fifo-2']);
  });

  it.each([
    ['with the mark and the stream in one read', ['FXBSTCK01…']],
    ['with the mark alone first', ['F', 'XBSTCK01…']],
    ['with a mark that begins as the stream does', ['X', 'XBSTCK01…']],
    ['byte by byte', [...'FXBSTCK01…']],
    ['of a tool that writes no mark', ['X', 'BSTCK01…']],
  ])('begin behind the byte that wakes the reader: %s', (_, pieces) => {
    const remove = makeMarkRemover();
    expect(Buffer.concat(pieces.map((piece) => remove(Buffer.from(piece)))).toString()).toBe('XBSTCK01…');
  });

  it('hold a whole backup together, and none without what is in one of them', () => {
    const first = of('shop/a.ibd', ...metadata.slice(0, 2));
    const second = of('shop/b.ibd', ...metadata.slice(2));
    expect(judged(first, second)).toEqual([...metadata, 'shop/a.ibd', 'shop/b.ibd'].sort());
    expect(judged(first, Buffer.alloc(0))).toEqual([
      'backup-my.cnf is missing',
      'xtrabackup_logfile is missing',
    ]);
    expect(judged(first, second.subarray(0, -5))[0]).toBe(
      `the stream fifo-1 ends within a chunk, after ${second.length - 5} bytes`,
    );
    expect(judged(first, Buffer.from('nothing of the kind'))[0]).toContain(
      'magic: fifo-1: expected XBSTCK01',
    );
  });

  it('do not both hold a file', () => {
    expect(judged(of('shop/a.ibd', ...metadata), of('shop/a.ibd'))[0]).toContain(
      '("shop/a.ibd"): reopened: the file is in fifo-0 and in fifo-1',
    );
  });
});
