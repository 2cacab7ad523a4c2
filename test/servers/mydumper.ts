import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Names the directory of a real mydumper 1.x. */
const variable = 'HOLDFAST_TEST_MYDUMPER';

/**
 * The directory of a real mydumper 1.x, to be put first on a path; undefined where whoever runs the tests names none. It
 * is in no registry of packages, so it must have been built from its source.
 */
export function realDumper(): string | undefined {
  const directory = process.env[variable];
  if (directory === undefined || directory === '') return undefined;
  if (existsSync(join(directory, 'mydumper'))) return directory;
  throw new Error(`${variable}: there is no mydumper in ${directory}`);
}
