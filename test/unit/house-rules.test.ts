import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean);
const sources = files.filter((f) => /^(contract|functions|runner|infra|operator)\/.*\.(ts|mjs)$/.test(f));
const text = (file: string) => readFileSync(join(root, file), 'utf8');

type Import = { from: string; to: string; typeOnly: boolean };

/** Every static and dynamic import of a source, relative ones resolved to a path from the root. */
function importsOf(file: string): Import[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^;'"]*?from\s+['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)\s*import\s+['"]([^'"]+)['"]/g;
  return [...text(file).matchAll(pattern)].map((m) => {
    const target = m[2] ?? m[3] ?? m[4]!;
    return {
      from: file,
      to: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
      typeOnly: m[1] !== undefined,
    };
  });
}

const imports = sources.flatMap(importsOf);
const house = (path: string) => /^(contract|functions|runner|infra|operator|test)\//.exec(path)?.[1];
const show = (found: Import[]) => found.map((i) => `${i.from} imports ${i.to}`);

describe('the tree is the design', () => {
  it('sees the imports it judges', () => {
    expect(imports.length).toBeGreaterThan(20);
    expect(importsOf('runner/engines/engine.ts').some((i) => i.to.startsWith('contract/'))).toBe(true);
  });

  it('contract imports nothing but zod', () => {
    const bad = imports.filter(
      (i) => house(i.from) === 'contract' && house(i.to) !== 'contract' && i.to !== 'zod',
    );
    expect(show(bad)).toEqual([]);
  });

  it('functions, runner and operator import contract and themselves only', () => {
    const bad = imports.filter((i) => {
      const from = house(i.from);
      const to = house(i.to);
      return (
        from !== undefined &&
        ['functions', 'runner', 'operator'].includes(from) &&
        to !== undefined &&
        to !== from &&
        to !== 'contract'
      );
    });
    expect(show(bad)).toEqual([]);
  });

  it('infra takes from functions only what functions/env says, and only infra/local reaches further', () => {
    const bad = imports.filter((i) => {
      if (house(i.from) !== 'infra' || i.from.startsWith('infra/local/')) return false;
      const to = house(i.to);
      return (
        (to === 'functions' && !i.to.startsWith('functions/env/')) ||
        to === 'runner' ||
        to === 'operator' ||
        to === 'test'
      );
    });
    expect(show(bad)).toEqual([]);
  });

  it('only runner/host starts a child within runner and functions', () => {
    const bad = imports.filter(
      (i) =>
        (house(i.from) === 'runner' || house(i.from) === 'functions') &&
        /^(node:)?child_process$/.test(i.to) &&
        !i.from.startsWith('runner/host/'),
    );
    expect(show(bad)).toEqual([]);
  });

  it('only functions/catalog and the records of job and agent build a table key', () => {
    const keyed = sources.filter(
      (f) =>
        !f.startsWith('functions/catalog/') &&
        !f.startsWith('infra/') &&
        f !== 'contract/records/job.ts' &&
        f !== 'contract/records/agent.ts' &&
        /\b(pk|sk)\s*:\s*[`'"]|['"`](COVERAGE|BREACH)['"`]|(CLUSTER|HOST|SLOT|BACKUP|LOCK|CAP|PIN|ORDER)#|`job#/.test(
          text(f),
        ),
    );
    expect(keyed).toEqual([]);
  });

  it('no name says nothing', () => {
    expect(
      files.filter((f) => /(^|\/)(utils?|helpers?|common|misc|manager|platform)(\.|\/|-)/.test(f)),
    ).toEqual([]);
  });

  it('no source shells out, and none leaves work for later', () => {
    const shelled = sources.filter((f) => /shell:\s*true|\bexecSync\(|\bexec\(\s*[`'"]/.test(text(f)));
    const later = sources.filter((f) => /\b(TODO|FIXME|XXX)\b/.test(text(f)));
    expect({ shelled, later }).toEqual({ shelled: [], later: [] });
  });
});
