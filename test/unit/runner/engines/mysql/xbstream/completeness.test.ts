import { describe, expect, it } from 'vitest';
import {
  requiredFiles,
  saysSuccess,
  type Verdict,
  type VerdictInput,
  verdict,
} from '../../../../../../runner/engines/mysql/xbstream/completeness.ts';
import type { XbstreamFlavour } from '../../../../../../runner/engines/mysql/xbstream/events.ts';
import { makeXbstreamParser } from '../../../../../../runner/engines/mysql/xbstream/parser.ts';
import {
  chunkOf,
  fileOf,
  smallMariadbStream,
  smallPerconaStream,
} from '../../../../../doubles/xbstream-writer.ts';

type Ending = Partial<Omit<VerdictInput, 'state'>>;

function judge(flavour: XbstreamFlavour, stream: Buffer, ending: Ending = {}): Verdict {
  const parser = makeXbstreamParser(flavour);
  parser.push(stream);
  return verdict({
    state: parser.state(),
    exitCode: 0,
    signal: null,
    stderrTail: '[00] 2026-11-23 05:28:47 completed OK!\n',
    requiredFiles: requiredFiles(flavour, true),
    ...ending,
  });
}

const reasons = (found: Verdict) => (found.complete ? [] : found.reasons);
const streams = { mariadb: smallMariadbStream(), percona: smallPerconaStream() };
const flavours: XbstreamFlavour[] = ['mariadb', 'percona'];

describe.each(flavours)('a small %s stream', (flavour) => {
  const stream = streams[flavour];

  it('is complete as it is, and small enough to be damaged at every byte', () => {
    expect(judge(flavour, stream)).toMatchObject({ complete: true });
    expect(stream.length).toBeLessThan(2048);
  });

  it('F08 is never complete when it is cut at any byte', () => {
    const complete: number[] = [];
    for (let length = 0; length < stream.length; length++) {
      if (judge(flavour, stream.subarray(0, length)).complete) complete.push(length);
    }
    expect(complete).toEqual([]);
  });

  it('F08 is not complete when the beginning of one more chunk follows', () => {
    const more = chunkOf.payload('d/a.new', 'page');
    for (let length = 1; length < more.length; length++) {
      const found = reasons(judge(flavour, Buffer.concat([stream, more.subarray(0, length)])));
      expect(found[0]).toBe(`the stream ends within a chunk, after ${stream.length + length} bytes`);
    }
  });

  it('is never complete with any bit of any byte flipped, but where unpacking gives the very same files', () => {
    const whole = judge(flavour, stream);
    const unseen: string[] = [];
    const headers = headerOffsets(flavour, stream);
    const damaged = Buffer.from(stream);
    for (let at = 0; at < stream.length; at++) {
      for (const flip of [1, 2, 4, 8, 16, 32, 64, 128, 0xff, 0x20 | 1, 0x5a]) {
        damaged[at] = stream[at]! ^ flip;
        const found = judge(flavour, damaged);
        if (!found.complete) continue;
        expect(found).toEqual(whole);
        unseen.push(`${flip} in ${headers.has(at - 8) ? 'flags' : `byte ${at}`}`);
      }
      damaged[at] = stream[at]!;
    }
    // 0x02 on the only chunk of a new file says that the file may replace one of its name, which is not there.
    expect([...new Set(unseen)]).toEqual(flavour === 'mariadb' ? ['2 in flags'] : []);
  });
});

function headerOffsets(flavour: XbstreamFlavour, stream: Buffer): Set<number> {
  const offsets = new Set<number>();
  const parser = makeXbstreamParser(flavour, (event) => offsets.add(event.headerOffset));
  parser.push(stream);
  return offsets;
}

describe('the verdict', () => {
  it('lists what unpacking leaves, with sizes, sorted by path', () => {
    const found = judge('mariadb', streams.mariadb);
    expect(found.complete && found.files.slice(3, 8)).toEqual([
      { path: 'd/m.MYD', bytes: 0 },
      { path: 'd/m.MYI', bytes: 5 },
      { path: 'd/m.frm', bytes: 1 },
      { path: 'd/x.MAD', bytes: 3 },
      { path: 'd/x.MAI', bytes: 3 },
    ]);
  });

  it.each<[string, Ending, RegExp]>([
    ['an exit code', { exitCode: 1 }, /ended with code 1/],
    ['a signal', { exitCode: null, signal: 'SIGKILL' }, /ended by SIGKILL/],
    ['no success line', { stderrTail: 'completed OK!\nError: no space\n' }, /did not say/],
    [
      'no position of the log',
      { requiredFiles: [['xtrabackup_galera_info']] },
      /xtrabackup_galera_info is missing/,
    ],
    ['a table lost', { expectedTables: [{ db: 'd', table: 'y' }] }, /"d"."y" has no data file/],
  ])('refuses %s, although the stream is whole', (_what, ending, reason) => {
    expect(reasons(judge('mariadb', streams.mariadb, ending))).toEqual([expect.stringMatching(reason)]);
  });

  it('is content with tables that are there, whatever their engine', () => {
    const expectedTables = ['a', 'm', 'x'].map((table) => ({ db: 'd', table }));
    expect(judge('mariadb', streams.mariadb, { expectedTables })).toMatchObject({ complete: true });
  });

  it('takes the names of metadata that MariaDB uses from 11.1 on', () => {
    const renamed = Buffer.from(
      streams.mariadb.toString('latin1').replaceAll('xtrabackup_', 'mariadb_bu_'),
      'latin1',
    );
    expect(reasons(judge('mariadb', renamed))).toContain('xtrabackup_info or mariadb_backup_info is missing');
    const files = ['info', 'checkpoints', 'binlog_info'].map((name) => fileOf(`mariadb_backup_${name}`, 'x'));
    const stream = Buffer.concat([...files, fileOf('ib_logfile0', 'x'), fileOf('backup-my.cnf', 'x')]);
    expect(judge('mariadb', stream)).toMatchObject({ complete: true });
  });

  it('does not ask for a log position where the server keeps no log', () => {
    const stream = Buffer.concat(
      ['xtrabackup_info', 'xtrabackup_checkpoints.zst', 'xtrabackup_logfile.zst', 'backup-my.cnf'].map(
        (path) => fileOf(path, 'x'),
      ),
    );
    expect(judge('percona', stream, { requiredFiles: requiredFiles('percona', false) })).toMatchObject({
      complete: true,
    });
    expect(reasons(judge('percona', stream))).toEqual(['xtrabackup_binlog_info is missing']);
  });

  it.each([
    [
      'half of a table',
      [fileOf('d/t.MYI', 'x'), fileOf('d/t.frm', 'x')],
      'd/t.MYD is missing, but d/t.MYI is there',
    ],
    [
      'data without a definition',
      [fileOf('d/t.MAI', 'x'), fileOf('d/t.MAD', 'x')],
      'd/t.frm is missing, but d/t.MAI is there',
    ],
    [
      'pages without their map',
      [fileOf('d/t.ibd.delta', 'x')],
      'd/t.ibd.meta is missing, but d/t.ibd.delta is there',
    ],
    ['a note about no file', [fileOf('d/t.del', '')], 'd/t.ibd is missing, but d/t.del is there'],
    [
      'an empty rename note',
      [fileOf('d/t.ibd', 'x'), fileOf('d/t.ren', '')],
      'd/t.ren has no readable content',
    ],
    [
      'M19 a rename that moved nothing',
      [fileOf('d/db.opt', 'x'), chunkOf.rename('d/a.MAD', 'd/b.MAD')],
      'd/b.MAD is missing: it was renamed from d/a.MAD before that was copied',
    ],
    [
      'F10 a table whose database was dropped and made again, when the removal came last',
      [fileOf('e/db.opt', 'x'), fileOf('e/t.new', 'x'), chunkOf.remove('e'), fileOf('e/db.opt', 'x')],
      'e/t.new is missing: a removal of its directory came after it',
    ],
  ])('refuses %s', (_what, parts, reason) => {
    expect(reasons(judge('mariadb', Buffer.concat([...parts, streams.mariadb])))).toContain(reason);
  });

  it('is content with a database that was dropped and made again before its tables were copied', () => {
    const parts = [
      fileOf('e/t.ibd', 'x'),
      chunkOf.remove('e'),
      fileOf('e/db.opt', 'x'),
      fileOf('e/t.frm', 'x'),
      fileOf('e/t.new', 'x'),
    ];
    expect(judge('mariadb', Buffer.concat([...parts, streams.mariadb]))).toMatchObject({ complete: true });
  });

  it('takes the parts of partitions for one table, and asks for its definition once', () => {
    const parts = [fileOf('d/p#P#p0.MYI', 'x'), fileOf('d/p#P#p0.MYD', 'x'), fileOf('d/p.frm', 'x')];
    expect(judge('mariadb', Buffer.concat([...parts, streams.mariadb]))).toMatchObject({ complete: true });
  });

  it('tells twenty of many reasons of one kind, and how many more there are', () => {
    const open = Array.from({ length: 30 }, (_, n) => chunkOf.payload(`d/t${n}.ibd`, 'x'));
    const found = reasons(judge('mariadb', Buffer.concat([...open, streams.mariadb])));
    expect(found).toHaveLength(21);
    expect(found.at(-1)).toBe('… and 10 more of this kind');
  });

  it('reads success from the last line only', () => {
    expect(saysSuccess('[00] 2026-11-23 05:28:47 completed OK!\n')).toBe(true);
    expect(saysSuccess('completed OK!\nsomething else')).toBe(false);
    expect(saysSuccess('')).toBe(false);
  });
});
