import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { numbersInTests, readTraps, trapDisagreements } from './listed-traps.ts';

const root = join(import.meta.dirname, '../../..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

describe('docs/mysql.md', () => {
  it('lists the 25 traps in order, each covered by a test that carries its number or waiting for what it names', () => {
    const tested = new Set(
      readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.test.ts') && !name.startsWith('unit/docs/'))
        .flatMap((name) => numbersInTests(read(join('test', name)))),
    );
    expect(trapDisagreements(readTraps(read('docs/mysql.md')), tested)).toEqual([]);
  });
});

describe('the check of the traps', () => {
  const listOf = (here: (n: number) => string) =>
    readTraps(
      Array.from(
        { length: 25 },
        (_, i) => `| M${String(i + 1).padStart(2, '0')} | trap | answer | ${here(i + 1)} |`,
      ).join('\n'),
    );

  it('finds a covered trap without a test, and one to come that has one', () => {
    const listed = listOf((n) =>
      n === 1 ? 'covered' : n === 2 ? 'covered; to come with x: y' : 'to come with x',
    );
    expect(trapDisagreements(listed, new Set(['M03']))).toEqual([
      'M01 is listed as covered and no test carries it',
      'M02 is listed as covered and no test carries it',
      'M03 is listed as to come and a test carries it',
    ]);
  });

  it('finds a number that is missing', () => {
    expect(trapDisagreements(listOf(() => 'to come with x').slice(1), new Set())).toEqual([
      'the list is not M01 to M25 in order',
    ]);
  });

  it('refuses a row that says none of the three', () => {
    expect(() => listOf(() => 'maybe')).toThrow('M01: "maybe"');
  });

  it('reads numbers of sentences and not of comments', () => {
    expect(numbersInTests("it('M01 M02 one', x); // M03\nit.each([['M04', 1]])(`two (M05)`, y);")).toEqual([
      'M01',
      'M02',
      'M04',
      'M05',
    ]);
  });
});
