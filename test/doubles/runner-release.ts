import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const sha256 = (content: string | Buffer) => createHash('sha256').update(content).digest('hex');

/** Does what the installation asks of Node and of the runner, without being 121 MiB long. */
const smallNode = `#!/bin/sh
case $1 in
  -e) printf '%s\\n' "$4" >"$3.new" && mv "$3.new" "$3" ;;
  *) cat "$1" && exit 64 ;;
esac
`;

/** Runs what it is given with the Node of the tests. */
export const linkedNode = `#!/bin/sh\nexec '${process.execPath}' "$@"\n`;

export type SmallRelease = { name: string; directory: string };

/**
 * A release as buildRelease makes it, with Nodes of a few bytes. Its runner says `version`, and so two versions make
 * two releases.
 */
export function smallRelease(
  below: string,
  version: string,
  { node = smallNode, runner = `holdfast runner ${version}\n`, architectures = ['x64', 'arm64'] } = {},
): SmallRelease {
  const nodes = architectures.flatMap((architecture): [string, string | Buffer][] => [
    [`node-${architecture}.gz`, gzipSync(node)],
    [`node-${architecture}`, node],
  ]);
  const files: [string, string | Buffer][] = [
    ['holdfast-launch', readFileSync('runner/host/launch/holdfast-launch')],
    ['runner.mjs', runner],
    ...nodes,
  ];
  const list = files.map(([name, content]) => `${sha256(content)}  ${name}\n`).join('');
  const name = sha256(list);
  const directory = join(below, `release-${version}`);
  mkdirSync(directory, { recursive: true });
  for (const [file, content] of [['release.txt', list] as const, ...files])
    writeFileSync(join(directory, file), content);
  return { name, directory };
}
