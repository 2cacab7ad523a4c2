import { chmodSync, constants, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { Misbehaviour, ToolFiles } from './misbehaviour.ts';

/** A directory to put first on the runner's path: the double under the name of the tool. */
export type InstalledXtrabackup = {
  directory: string;
  misbehave: (how: Misbehaviour | undefined) => void;
  /** The arguments of every call but `--version`, and what went wrong, one line each, written by itself. */
  calls: () => string[];
  strikes: () => string[];
};

/** Puts the double into `directory` as `xtrabackup` of this version. */
export function installXtrabackup(directory: string, version: string): InstalledXtrabackup {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const files: ToolFiles = {
    plan: join(directory, 'plan.json'),
    strikes: join(directory, 'strikes'),
    version: join(directory, 'version'),
  };
  writeFileSync(files.version, version);
  // The account of a restored server runs it too, which cannot enter a checkout below /root: Node and one file.
  const [node, program] = [join(directory, 'node'), join(directory, 'tool.mjs')];
  copyFileSync(process.execPath, node, constants.COPYFILE_FICLONE);
  buildSync({
    entryPoints: [join(import.meta.dirname, 'tool.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    banner: {
      js: "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);",
    },
  });
  chmodSync(program, 0o644);
  // The version is asked for several times a job: no Node is started for it.
  const script = `#!/bin/sh
if [ "$1" = --version ]; then
  echo "xtrabackup version ${version} based on MySQL server ${version.split('-')[0]} Linux (x86_64) (revision id: 00000000)" >&2
  exit 0
fi
exec '${node}' '${program}' '${JSON.stringify(files)}' "$@"
`;
  writeFileSync(join(directory, 'xtrabackup'), script, { mode: 0o755 });
  const misbehave = (how: Misbehaviour | undefined) => {
    // The account of a restored server writes it too.
    writeFileSync(files.strikes, '');
    chmodSync(files.strikes, 0o666);
    writeFileSync(files.plan, JSON.stringify(how ?? null));
    chmodSync(files.plan, 0o644);
  };
  misbehave(undefined);
  const lines = () => readFileSync(files.strikes, 'utf8').split('\n').filter(Boolean);
  return {
    directory,
    misbehave,
    calls: () => lines().filter((line) => line.startsWith('called ')),
    strikes: () => lines().filter((line) => !line.startsWith('called ')),
  };
}
