/** Keeps the newest lines up to a number of characters (line breaks counted) and forgets the oldest. */
export function makeRing(limit: number): { push: (line: string) => void; lines: () => string[] } {
  let lines: string[] = [];
  let first = 0;
  let held = 0;
  return {
    push: (line) => {
      lines.push(line);
      held += line.length + 1;
      while (held > limit && first < lines.length - 1) held -= lines[first++]!.length + 1;
      if (first > 1024) {
        lines = lines.slice(first);
        first = 0;
      }
    },
    lines: () => lines.slice(first),
  };
}
