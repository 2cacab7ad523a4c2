import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Architecture } from '../settings.ts';
import { nodeBinary } from './node-binary.ts';

/** `name` is the SHA-256 of the list in `release.txt`; the files lie in `directory`, by the names of `releaseFiles`. */
export type Release = { name: string; directory: string };

/** What a release consists of: its list, the launcher, the runner, and Node for each architecture. */
export const releaseFiles = (architectures: readonly Architecture[]): string[] => [
  'release.txt',
  'holdfast-launch',
  'runner.mjs',
  ...architectures.map((architecture) => `node-${architecture}.gz`),
];

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Packs a Node once; four seconds for each. The second file beside it tells its SHA-256 unpacked. */
function packedNode(project: string, kept: string, architecture: Architecture) {
  const binary = nodeBinary(project, architecture);
  const unpacked = sha256(binary);
  const packed = join(kept, `${unpacked}.gz`);
  if (!existsSync(packed)) {
    const draft = `${packed}.${process.pid}`;
    writeFileSync(draft, gzipSync(readFileSync(binary)));
    renameSync(draft, packed);
  }
  return { packed, unpacked };
}

/**
 * Builds what this checkout would install on hosts. The list has a line `<SHA-256>  <name>` for each file, and for each
 * Node as it is unpacked, in the format of sha256sum. Needs the network once for each Node that npm did not install.
 */
export function buildRelease(project: string, architectures: readonly Architecture[]): Release {
  const kept = join(project, '.local/releases');
  const draft = join(kept, `draft-${process.pid}`);
  mkdirSync(draft, { recursive: true });
  const at = (file: string) => join(draft, file);
  execFileSync(process.execPath, [join(project, 'runner/bundle.ts'), at('runner.mjs')], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  copyFileSync(join(project, 'runner/host/launch/holdfast-launch'), at('holdfast-launch'));
  const lines = ['holdfast-launch', 'runner.mjs'].map((file) => `${sha256(at(file))}  ${file}`);
  for (const architecture of architectures) {
    const { packed, unpacked } = packedNode(project, kept, architecture);
    copyFileSync(packed, at(`node-${architecture}.gz`));
    lines.push(`${sha256(packed)}  node-${architecture}.gz`, `${unpacked}  node-${architecture}`);
  }
  writeFileSync(at('release.txt'), `${lines.join('\n')}\n`);
  const name = sha256(at('release.txt'));
  const directory = join(kept, name);
  rmSync(directory, { recursive: true, force: true });
  renameSync(draft, directory);
  return { name, directory };
}
