import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bundleFunctions } from '../../infra/control/bundle-functions.ts';

let project: string;

/** A source as it is after an edit some time ago. */
function write(file: string, text: string): void {
  mkdirSync(dirname(join(project, file)), { recursive: true });
  writeFileSync(join(project, file), text);
  const before = new Date(Date.now() - 60_000);
  utimesSync(join(project, file), before, before);
}

const bundleFile = (name: string) => join(project, 'dist/functions', name, 'index.mjs');
/** Marks the bundle on disk; the mark stays as long as nobody makes it anew. */
const age = (name: string) => utimesSync(bundleFile(name), 1, 1);
const wasKept = (name: string) => statSync(bundleFile(name)).mtimeMs === 1000;

beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'holdfast-bundling-'));
  for (const file of ['package.json', 'package-lock.json', 'tsconfig.json']) write(file, '{}');
  write('functions/shared.ts', "export const word = 'first';");
  write(
    'functions/a/one.handler.ts',
    "import { word } from '../shared.ts'; export const handler = () => word;",
  );
  write('functions/b/two.handler.ts', "export const handler = () => 'two';");
  bundleFunctions(project);
});
afterEach(() => rmSync(project, { recursive: true, force: true }));

describe('bundles of functions', () => {
  it('are one directory each, by the name of the handler', () => {
    expect(Object.fromEntries(bundleFunctions(project))).toEqual({
      one: join(project, 'dist/functions/one'),
      two: join(project, 'dist/functions/two'),
    });
    expect(readFileSync(bundleFile('one'), 'utf8')).toContain('first');
  });

  it('are kept while nothing changes', () => {
    age('one');
    bundleFunctions(project);
    expect(wasKept('one')).toBe(true);
  });

  it('are made anew after a change to anything below them, were its time set back', () => {
    write('functions/shared.ts', "export const word = 'later';");
    bundleFunctions(project);
    expect(readFileSync(bundleFile('one'), 'utf8')).toContain('later');
  });

  it.each(['package-lock.json', 'tsconfig.json'])('are made anew after a change to %s', (file) => {
    age('one');
    write(file, '{ }');
    bundleFunctions(project);
    expect(wasKept('one')).toBe(false);
  });

  it('include a function that is new', () => {
    write('functions/b/three.handler.ts', "export const handler = () => 'three';");
    expect([...bundleFunctions(project).keys()]).toEqual(['one', 'three', 'two']);
    expect(readFileSync(bundleFile('three'), 'utf8')).toContain('three');
  });

  it('are put right when one was damaged or removed', () => {
    const good = readFileSync(bundleFile('one'), 'utf8');
    writeFileSync(bundleFile('one'), 'not what was made');
    rmSync(bundleFile('two'));
    bundleFunctions(project);
    expect(readFileSync(bundleFile('one'), 'utf8')).toBe(good);
    expect(readFileSync(bundleFile('two'), 'utf8')).toContain('two');
  });

  it('are not trusted when a source was saved while they were made', () => {
    const soon = new Date(Date.now() + 60_000);
    write('functions/shared.ts', "export const word = 'while';");
    utimesSync(join(project, 'functions/shared.ts'), soon, soon);
    bundleFunctions(project);
    age('one');
    bundleFunctions(project);
    expect(wasKept('one')).toBe(false);
  });

  it('say where one does not build, and leave the last good ones in place', () => {
    write('functions/shared.ts', 'export const wort = 1;');
    expect(() => bundleFunctions(project)).toThrow('functions/a/one.handler.ts');
    expect(readFileSync(bundleFile('one'), 'utf8')).toContain('first');
  });
});
