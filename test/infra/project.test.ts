import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Output of a tool of the project; what it prints on failure becomes the test's message. */
function output(bin: string, args: string[]): string {
  try {
    return execFileSync(process.execPath, [join(root, 'node_modules', bin), ...args], {
      cwd: root,
      encoding: 'utf8',
    });
  } catch (failed) {
    return String((failed as { stdout?: string }).stdout) + String((failed as { stderr?: string }).stderr);
  }
}

describe('the project', () => {
  it('type-checks in strict mode', () => {
    // What is unchanged since the last run is not checked again.
    const known = ['--incremental', '--tsBuildInfoFile', 'dist/test.tsbuildinfo'];
    expect(output('typescript/bin/tsc', ['--noEmit', ...known])).toBe('');
  });

  it('is formatted and lint-free', () => {
    const said = output('@biomejs/biome/bin/biome', ['ci', '--colors=off', '.']);
    expect(said).toMatch(/No fixes applied|Checked \d+ files/);
    expect(said).not.toMatch(/Found \d+ (error|warning)/);
  });

  it('runs on Node 24, and its lockfile names no download address', () => {
    expect(process.versions.node).toMatch(/^24\./);
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"/);
  });
});
