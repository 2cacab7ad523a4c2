import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { versionIn } from '../../../runner/engines/mysql/versions.ts';

/**
 * What the double does wrong. `at` is a part of its stream, from 0 (before its first byte) to 1 (after its last), or
 * the line of its stderr that begins with these words.
 */
export type Misbehaviour =
  /** Says an error as the tool does and ends with this code. */
  | { do: 'fail'; at: number; code: number }
  /** Stops in the middle, says "completed OK!" and ends with 0. `edge`: just between two chunks. */
  | { do: 'cut'; at: number; edge: boolean }
  | { do: 'die'; at: number; signal: NodeJS.Signals }
  | { do: 'hang'; at: number }
  /** Writes so many bytes to stderr and goes on. */
  | { do: 'flood'; at: number; bytes: number }
  /** Leaves the files of this table out, as one that cannot be read. */
  | { do: 'skip'; table: string }
  /** Says that it is of another version. */
  | { do: 'version'; version: string }
  /** SIGKILL to its runner: to that process, or to its whole group. */
  | { do: 'kill-runner'; at: number; whole: 'process' | 'group' }
  /** Waits for a lock that another holds, and is killed with its runner as soon as it waits. */
  | { do: 'kill-waiting' };

/** Where the double reads what to do wrong and writes what it has done. */
export type ToolFiles = { plan: string; strikes: string; version: string };

/** A directory to put first on the runner's path: the double under the name of the tool. */
export type InstalledTool = {
  directory: string;
  /** From now on the tool does this, or nothing wrong. */
  misbehave: (how: Misbehaviour | undefined) => void;
  /** What it has done since it was told to misbehave, one line each, written by itself. */
  strikes: () => string[];
};

/** Puts the double into `directory` as `mariadb-backup`. Its children's environment is not the test's: paths are written in. */
export function installTool(directory: string): InstalledTool {
  mkdirSync(directory, { recursive: true });
  const files: ToolFiles = {
    plan: join(directory, 'plan.json'),
    strikes: join(directory, 'strikes'),
    version: join(directory, 'version'),
  };
  const real = spawnSync('mariadb-backup', ['--version'], { encoding: 'utf8' });
  const usual = versionIn(real.stderr) ?? '';
  const program = join(import.meta.dirname, 'tool.ts');
  // The version is asked for several times a job: no Node is started for it.
  const script = `#!/bin/sh
if [ "$1" = --version ]; then
  read -r version <'${files.version}'
  [ "$version" = ${usual} ] || echo "version $version" >>'${files.strikes}'
  echo "mariadb-backup based on MariaDB server $version-MariaDB debian-linux-gnu (x86_64)" >&2
  exit 0
fi
export NODE_COMPILE_CACHE='${join(directory, 'compiled')}'
exec '${process.execPath}' '${program}' '${JSON.stringify(files)}' "$@"
`;
  writeFileSync(join(directory, 'mariadb-backup'), script, { mode: 0o755 });
  const misbehave = (how: Misbehaviour | undefined) => {
    writeFileSync(files.strikes, '');
    writeFileSync(files.version, `${how?.do === 'version' ? how.version : usual}\n`);
    writeFileSync(files.plan, JSON.stringify(how ?? null));
  };
  misbehave(undefined);
  return {
    directory,
    misbehave,
    strikes: () => readFileSync(files.strikes, 'utf8').split('\n').filter(Boolean),
  };
}

/** For the double: what it is to do wrong now. */
export const readPlan = ({ plan }: ToolFiles): Misbehaviour | undefined =>
  existsSync(plan) ? (JSON.parse(readFileSync(plan, 'utf8')) ?? undefined) : undefined;

/** For the double: told right before it strikes, since it may not live after it. */
export const strike = ({ strikes }: ToolFiles, what: string): void => appendFileSync(strikes, `${what}\n`);
