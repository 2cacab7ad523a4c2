/** A row of the table in docs/faults.md. */
export type ListedFault = {
  number: string;
  fault: string;
  answer: string;
  here:
    | { status: 'covered' }
    /** It cannot happen; the named test file holds the assertion that keeps it so. */
    | { status: 'excluded'; by: string }
    /** Waits for this engine or chapter. */
    | { status: 'to come'; with: string };
};

/** A `faultTest` as it stands in the sources. */
export type PlannedTest = { file: string; planned: string[]; sentence: string };

/** Reads the rows `| F01 | fault | answer | here |`. Throws where a row's last cell is none of the three forms. */
export function readListed(document: string): ListedFault[] {
  return [...document.matchAll(/^\| (F\d\d) +\|(.*)\|(.*)\|(.*)\|$/gm)].map((row) => {
    const [, number = '', fault = '', answer = '', here = ''] = row.map((cell) => cell.trim());
    return { number, fault, answer, here: readHere(number, here) };
  });
}

function readHere(number: string, cell: string): ListedFault['here'] {
  if (cell === 'covered') return { status: 'covered' };
  const by = /^excluded by `(test\/[^`]+\.test\.ts)`$/.exec(cell)?.[1];
  if (by) return { status: 'excluded', by };
  const chapter = /^to come with (\S.*)$/.exec(cell)?.[1];
  if (chapter) return { status: 'to come', with: chapter };
  throw new Error(
    `${number}: "${cell}" is neither covered, excluded by a test file, nor to come with a chapter`,
  );
}

/** The fault tests of one source file. */
export function readPlanned(file: string, source: string): PlannedTest[] {
  const call = /\bfaultTest\(\s*\[([^\]]*)\],\s*(['"`])((?:\\.|(?!\2)[^\\])*)\2/g;
  return [...source.matchAll(call)].map(([, list = '', , sentence = '']) => ({
    file,
    planned: [...list.matchAll(/['"]([^'"]+)['"]/g)].map((m) => m[1]!),
    sentence,
  }));
}

/**
 * What the list says that the tests do not: numbers missing or out of order, a covered fault that no test plans, an
 * excluded one whose test does not name it, one to come that has a test, a test of a number that is not listed.
 * `sourceOf` gives a file's text, undefined where there is none.
 */
export function disagreements(
  listed: readonly ListedFault[],
  tests: readonly PlannedTest[],
  sourceOf: (file: string) => string | undefined,
): string[] {
  const expected = Array.from({ length: 81 }, (_, i) => `F${String(i + 1).padStart(2, '0')}`);
  const found: string[] = [];
  if (listed.map((row) => row.number).join() !== expected.join())
    found.push('the list is not F01 to F81 in order');
  for (const { number, here } of listed) {
    const has = tests.some((test) => test.planned.includes(number));
    if (here.status === 'covered' && !has) found.push(`${number} is listed as covered and no test plans it`);
    if (here.status === 'to come' && has) found.push(`${number} is listed as to come and a test plans it`);
    if (here.status === 'excluded' && !namesInTest(number, sourceOf(here.by) ?? ''))
      found.push(`${number} is listed as excluded and no test of ${here.by} names it`);
  }
  for (const { file, planned } of tests)
    for (const fault of planned)
      if (/^F\d/.test(fault) && !expected.includes(fault))
        found.push(`${file} plans ${fault}, which is not listed`);
  return found;
}

/** Whether a test of the source has the number in its sentence. */
const namesInTest = (number: string, source: string): boolean =>
  new RegExp(`\\b(?:it|test)\\(\\s*(['"\`])(?:(?!\\1)[^\n])*\\b${number}\\b`).test(source);

/** `81 listed, N covered, M excluded, K to come`. */
export function summary(listed: readonly ListedFault[]): string {
  const count = (status: ListedFault['here']['status']) =>
    listed.filter((row) => row.here.status === status).length;
  return `${listed.length} listed, ${count('covered')} covered, ${count('excluded')} excluded, ${count('to come')} to come`;
}
