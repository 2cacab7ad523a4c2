import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type ListedFault, type PlannedTest, readListed, readPlanned } from './listed.ts';

const root = join(import.meta.dirname, '../..');

/** The text of a file of the project; undefined where there is none. */
export const sourceOf = (file: string): string | undefined =>
  existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined;

/** The list in docs/faults.md and every fault test below test/faults, also in chapters that a test file runs. */
export function readAll(): { listed: ListedFault[]; tests: PlannedTest[] } {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => relative(root, join(import.meta.dirname, name)))
    .sort();
  return {
    listed: readListed(sourceOf('docs/faults.md') ?? ''),
    tests: files.flatMap((file) => readPlanned(file, sourceOf(file) ?? '')),
  };
}
