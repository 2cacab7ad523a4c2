import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outsideOf, readDatadir } from '../../../../../runner/engines/mysql/datadir.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'datadir-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a data directory', () => {
  it('M25 is as large as its data files, without redo, undo, temporary space and logs', async () => {
    const datadir = join(root, 'data');
    mkdirSync(join(datadir, 'shop'), { recursive: true });
    const sizes = {
      ibdata1: 100,
      'shop/t.ibd': 1000,
      'shop/pbin.000001': 10,
      ib_logfile0: 7,
      undo001: 5000,
      ibtmp1: 5000,
      'aria_log.00000001': 5000,
      'pbin.000001': 5000,
      'pbin.index': 5000,
      'host-relay-bin.000002': 5000,
      'host-relay-bin-east.000002': 5000,
      'pbin.state': 5000,
      'host.err': 5000,
    };
    for (const [name, size] of Object.entries(sizes)) writeFileSync(join(datadir, name), Buffer.alloc(size));
    expect(await readDatadir(datadir, { logs: ['pbin'] })).toEqual({
      dataBytes: 1110,
      redoBytes: 7,
      undoBytes: 5000,
      outside: [],
    });
  });

  it('M18 points outside by links and by .isl files', async () => {
    const datadir = join(root, 'links');
    mkdirSync(datadir);
    symlinkSync('/fast/shop', join(datadir, 'shop'));
    writeFileSync(join(datadir, 't.isl'), '/slow/t.ibd\n');
    const { outside } = await readDatadir(datadir, { logs: [] });
    expect(outside.sort()).toEqual(['/fast/shop', '/slow/t.ibd']);
  });

  it('M18 tells paths outside from relative ones and from neighbours with a longer name', () => {
    expect(
      outsideOf('/var/lib/mysql', [
        './shop/t.ibd',
        '',
        '/var/lib/mysql',
        '/var/lib/mysql/a',
        '/var/lib/mysql2/a',
        '../b',
      ]),
    ).toEqual(['/var/lib/b', '/var/lib/mysql2/a']);
  });
});
