/** A row of the table of traps in docs/mysql.md. */
export type ListedTrap = {
  number: string;
  /** `covered` by a test with the number; `to come` with what it names and without a test; `in part` both. */
  status: 'covered' | 'in part' | 'to come';
};

/** Reads the rows `| M01 | trap | answer | here |`. Throws where a row's last cell is none of the three forms. */
export function readTraps(document: string): ListedTrap[] {
  return [...document.matchAll(/^\| (M\d\d) +\|.*\|(.*)\|$/gm)].map((row) => {
    const [, number = '', here = ''] = row.map((cell) => cell.trim());
    return { number, status: readStatus(number, here) };
  });
}

function readStatus(number: string, cell: string): ListedTrap['status'] {
  if (cell === 'covered') return 'covered';
  if (/^covered; to come with \S.*: \S/.test(cell)) return 'in part';
  if (/^to come with \S/.test(cell)) return 'to come';
  throw new Error(
    `${number}: "${cell}" is neither "covered", "covered; to come with …: what", nor "to come with …"`,
  );
}

/** The numbers that stand in the sentences of tests, of `describe` around them, and of cases of a table. */
export function numbersInTests(source: string): string[] {
  const sentences = source.matchAll(/(['"`])((?:\\.|(?!\1)[^\\\n])*\bM[0-2]\d\b(?:\\.|(?!\1)[^\\\n])*)\1/g);
  return [...sentences].flatMap(([, , sentence = '']) => sentence.match(/\bM[0-2]\d\b/g) ?? []);
}

/** What the list says that the tests do not. `tested` are the numbers that some test carries. */
export function trapDisagreements(listed: readonly ListedTrap[], tested: ReadonlySet<string>): string[] {
  const expected = Array.from({ length: 25 }, (_, i) => `M${String(i + 1).padStart(2, '0')}`);
  const found: string[] = [];
  if (listed.map((row) => row.number).join() !== expected.join())
    found.push('the list is not M01 to M25 in order');
  for (const { number, status } of listed) {
    const has = tested.has(number);
    if (status !== 'to come' && !has) found.push(`${number} is listed as covered and no test carries it`);
    if (status === 'to come' && has) found.push(`${number} is listed as to come and a test carries it`);
  }
  return found;
}
