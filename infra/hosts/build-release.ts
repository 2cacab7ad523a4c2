import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  linkSync,
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

/** `name` is the SHA-256 of the list in `release.txt`; the files lie in `folder`, by the names of `releaseFiles`. */
export type Release = { name: string; folder: string };

/** What a release consists of: its list, the launcher, the runner, and Node for each architecture. */
export const releaseFiles = (architectures: readonly Architecture[]): string[] => [
  'release.txt',
  'holdfast-launch',
  'runner.mjs',
  ...architectures.map((architecture) => `node-${architecture}.gz`),
];

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

/** Packs a Node once, which takes four seconds, and keeps it under the SHA-256 of what is in it. */
function packedNode(project: string, architecture: Architecture) {
  const kept = join(project, '.local/releases');
  const binary = nodeBinary(project, architecture);
  const unpacked = sha256(binary);
  const packed = join(kept, `${unpacked}.gz`);
  if (!existsSync(packed)) {
    mkdirSync(kept, { recursive: true });
    const draft = `${packed}.${process.pid}`;
    writeFileSync(draft, gzipSync(readFileSync(binary)));
    renameSync(draft, packed);
  }
  return { packed, unpacked };
}

/** The same file under another name, where both lie on one disk; 44 MiB each time are worth it. */
function linkOrCopy(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/**
 * Builds what this checkout would install on hosts, in a folder of its own below `outdir`. The list has a line
 * `<SHA-256>  <name>` for each file, and for each Node as it is unpacked, in the format of sha256sum. Needs the network
 * once for each Node that npm did not install.
 */
export function buildRelease(
  project: string,
  architectures: readonly Architecture[],
  outdir: string,
): Release {
  const draft = join(outdir, 'release.draft');
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  const at = (file: string) => join(draft, file);
  execFileSync(process.execPath, [join(project, 'runner/bundle.ts'), at('runner.mjs')], {
    cwd: project,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  copyFileSync(join(project, 'runner/host/launch/holdfast-launch'), at('holdfast-launch'));
  const lines = ['holdfast-launch', 'runner.mjs'].map((file) => `${sha256(at(file))}  ${file}`);
  for (const architecture of architectures) {
    const { packed, unpacked } = packedNode(project, architecture);
    linkOrCopy(packed, at(`node-${architecture}.gz`));
    lines.push(`${sha256(packed)}  node-${architecture}.gz`, `${unpacked}  node-${architecture}`);
  }
  writeFileSync(at('release.txt'), `${lines.join('\n')}\n`);
  const name = sha256(at('release.txt'));
  const folder = `release.${name}`;
  rmSync(join(outdir, folder), { recursive: true, force: true });
  renameSync(draft, join(outdir, folder));
  return { name, folder };
}
