import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** What a tool of the project has to complain about: all that it printed where it did not end well. */
function complaints(bin: string, args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules', bin), ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? '' : `${stdout}${stderr}` || `${bin} ended with ${status}`;
}

describe('the project', () => {
  it('type-checks in strict mode', () => {
    // What is unchanged since the last run is not checked again.
    const known = ['--incremental', '--tsBuildInfoFile', 'dist/test.tsbuildinfo'];
    expect(complaints('typescript/bin/tsc', ['--noEmit', ...known])).toBe('');
  });

  it('is formatted and lint-free', () => {
    expect(complaints('@biomejs/biome/bin/biome', ['ci', '--colors=off', '--error-on-warnings', '.'])).toBe(
      '',
    );
  });

  it('runs on Node 24, and its lockfile names no download address', () => {
    expect(process.versions.node).toMatch(/^24\./);
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"/);
  });

  it('has a lockfile that npm ci takes on every platform: no optional package is left out', () => {
    type Locked = { optionalDependencies?: Record<string, string>; inBundle?: boolean };
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, Locked>;
    };
    const missing = Object.entries(packages)
      .filter(([, locked]) => !locked.inBundle)
      .flatMap(([at, locked]) =>
        Object.keys(locked.optionalDependencies ?? {}).filter(
          (name) => !packages[`node_modules/${name}`] && !packages[`${at}/node_modules/${name}`],
        ),
      );
    expect(missing).toEqual([]);
  });
});
