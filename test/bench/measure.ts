/** One number and what it must be. `ok` is all that decides whether the bench succeeds. */
export type Measure = { name: string; value: number; unit: string; target: string; ok: boolean };

/** Rows of a table for people; the first is its head. */
export type Table = readonly (readonly string[])[];

export type Outcome = { measures: Measure[]; table: Table };

/** How often each side is measured, one after the other in turn, so that the machine's moods meet both. */
export const rounds = 3;

/** Four significant digits: more are noise. */
const rounded = (value: number) => Number(value.toPrecision(4));

export function atMost(name: string, value: number, unit: string, most: number): Measure {
  return { name, value: rounded(value), unit, target: `<= ${most}`, ok: value <= most };
}

export function atLeast(name: string, value: number, unit: string, least: number): Measure {
  return { name, value: rounded(value), unit, target: `>= ${least}`, ok: value >= least };
}

export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('there is no median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Runs each contender once a round, in turn, and answers its results by name in the order of the rounds. */
export async function interleaved<T>(
  contenders: Readonly<Record<string, () => Promise<T>>>,
  say: (line: string) => void,
  tell: (result: T) => string,
): Promise<Record<string, T[]>> {
  const results: Record<string, T[]> = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, run] of Object.entries(contenders)) {
      const result = await run();
      results[name]!.push(result);
      say(`round ${round} of ${rounds}, ${name}: ${tell(result)}`);
    }
  }
  return results;
}

/** Lines of a table with aligned columns. */
export function tableLines(table: Table): string[] {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd(),
  );
}
