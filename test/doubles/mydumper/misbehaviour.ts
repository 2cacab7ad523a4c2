import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the double does wrong with the dump that the real tool made. */
export type Misbehaviour =
  /** Writes metadata without a position, as a tool does that was refused one. */
  | { do: 'no-position' }
  /** Ends before it has named the metadata file, with code 0. */
  | { do: 'unfinished' }
  /** Leaves out the last bytes of this table's rows. */
  | { do: 'cut'; table: string; bytes: number }
  /** Leaves out this table's rows. */
  | { do: 'lose'; table: string }
  /** Leaves out this table's definition. */
  | { do: 'undefined'; table: string }
  /** Says an error in the middle and ends with this code. */
  | { do: 'fail'; code: number };

export type DumperPlan = { version: '0.10.0' | '1.0.1'; how: Misbehaviour | null };

/** Puts the double into `directory`, first on a path, as mydumper of this version. */
export function installDumper(directory: string, plan: DumperPlan): string {
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'plan.json');
  writeFileSync(file, JSON.stringify(plan));
  const program = join(import.meta.dirname, 'tool.ts');
  const said =
    plan.version === '0.10.0'
      ? 'mydumper 0.10.0, built against MySQL 10.11.14'
      : 'mydumper v1.0.1-3, built against MariaDB 10.11.14 with SSL support';
  const script = `#!/bin/sh
if [ "$1" = --version ]; then echo '${said}'; exit 0; fi
exec '${process.execPath}' '${program}' '${file}' "$@"
`;
  writeFileSync(join(directory, 'mydumper'), script, { mode: 0o755 });
  return directory;
}

/** For the double: what it is. */
export const readDumperPlan = (file: string): DumperPlan => JSON.parse(readFileSync(file, 'utf8'));
