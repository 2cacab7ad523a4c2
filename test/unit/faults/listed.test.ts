import { describe, expect, it } from 'vitest';
import { disagreements, readListed, readPlanned, summary } from '../../faults/listed.ts';
import { readAll, sourceOf } from '../../faults/read-all.ts';

const row = (n: number, here: string) => `| F${String(n).padStart(2, '0')} | fault | answer | ${here} |`;
const listOf = (here: (n: number) => string) =>
  readListed(Array.from({ length: 81 }, (_, i) => row(i + 1, here(i + 1))).join('\n'));

describe('docs/faults.md', () => {
  it('lists F01 to F81, each covered by a test, excluded by one, or waiting for what it names', () => {
    const { listed, tests } = readAll();
    expect(disagreements(listed, tests, sourceOf)).toEqual([]);
    expect(summary(listed)).toMatch(/^81 listed, \d+ covered, \d+ excluded, \d+ to come$/);
  });
});

describe('the check of the list', () => {
  it('finds a covered fault without a test, and one to come that has one', () => {
    const listed = listOf((n) => (n === 1 ? 'covered' : 'to come with MongoDB'));
    const tests = [{ file: 'a.test.ts', planned: ['F02', 'F99'], sentence: '' }];
    expect(disagreements(listed, tests, () => undefined)).toEqual([
      'F01 is listed as covered and no test plans it',
      'F02 is listed as to come and a test plans it',
      'a.test.ts plans F99, which is not listed',
    ]);
  });

  it('finds an excluded fault whose test does not name it', () => {
    const listed = listOf(() => 'excluded by `test/infra/a.test.ts`');
    const sources = "it('F01 cannot happen', …); // F02";
    expect(disagreements(listed, [], () => sources)).toHaveLength(80);
  });

  it('finds a number that is missing', () => {
    const listed = listOf(() => 'to come with copies').slice(1);
    expect(disagreements(listed, [], () => '')).toEqual(['the list is not F01 to F81 in order']);
  });

  it('refuses a row that says none of the three', () => {
    expect(() => readListed(row(1, 'maybe'))).toThrow('F01: "maybe"');
  });

  it('reads fault tests in any quotes', () => {
    const source = "faultTest(['F01', 'M06'], 'one', x);\nfaultTest(\n  ['F02'],\n  `two`,\n);";
    expect(readPlanned('f', source)).toEqual([
      { file: 'f', planned: ['F01', 'M06'], sentence: 'one' },
      { file: 'f', planned: ['F02'], sentence: 'two' },
    ]);
  });
});
