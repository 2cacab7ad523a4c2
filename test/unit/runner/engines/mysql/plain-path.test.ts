import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sweepPlainPaths, withPlainPath } from '../../../../../runner/engines/mysql/plain-path.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'plain-'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('a path in one piece', () => {
  it('is the own path of a directory whose name nobody splits', async () => {
    expect(await withPlainPath('/data/restored-2.new', async (path) => path)).toBe('/data/restored-2.new');
  });

  it.each([['with space'], ['a;b'], [`it's "$HOME"`], ['日本'], ['a\nb']])(
    'leads into %j while it is used, may be passed by the server, and is gone afterwards',
    async (name) => {
      const directory = join(root, name);
      mkdirSync(directory);
      writeFileSync(join(directory, 'file'), name);
      const used = await withPlainPath(directory, async (path) => {
        expect(path).toMatch(/^[\w./-]+$/);
        expect(readFileSync(join(path, 'file'), 'utf8')).toBe(name);
        expect(statSync(dirname(path)).mode & 0o777).toBe(0o711);
        return path;
      });
      expect(existsSync(dirname(used))).toBe(false);
      let failing = '';
      const failed = withPlainPath(directory, async (path) => {
        failing = path;
        throw new Error('no');
      });
      await expect(failed).rejects.toThrow('no');
      expect(existsSync(dirname(failing))).toBe(false);
      expect(readFileSync(join(directory, 'file'), 'utf8')).toBe(name);
    },
  );

  it('is swept once its runner is gone, and not before', async () => {
    const directory = join(root, 'swept later');
    mkdirSync(directory);
    const dead = mkdtempSync(join(tmpdir(), 'holdfast-path.999999999.1.'));
    symlinkSync(directory, join(dead, 'target'));
    await withPlainPath(directory, async (path) => {
      sweepPlainPaths();
      expect(existsSync(path)).toBe(true);
    });
    expect([dead, directory].map((path) => existsSync(path))).toEqual([false, true]);
  });
});
