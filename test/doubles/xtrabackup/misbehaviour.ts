import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** What the double does wrong. `at` is a part of its stream, from 0 (before its first byte) to 1 (after its last). */
export type Misbehaviour =
  /** Says this error and ends with this code. */
  | { do: 'fail'; at: number; code: number; says: string }
  /** Stops between two chunks, says "completed OK!" and ends with 0. */
  | { do: 'cut'; at: number }
  /** The same in the middle of a chunk. */
  | { do: 'cut-chunk'; at: number }
  | { do: 'die'; at: number; signal: NodeJS.Signals }
  /** Moves no byte any more, with all the locks it has. */
  | { do: 'hang'; at: number }
  /** The server was faster than the copying of its redo. */
  | { do: 'redo-overrun'; at: number }
  /** Its redo lacks the end, and it does not know: "completed OK!", code 0. */
  | { do: 'incomplete-redo' }
  /** Leaves the files of this table out, as one that it cannot read. */
  | { do: 'skip'; table: string }
  /** Leaves out one of its own files. */
  | { do: 'forget'; file: string }
  /** Its prepare goes on without a file and says "completed OK!". */
  | { do: 'prepare-warns'; says: string }
  /** Dies, or waits for ever, before it opens this of its named pipes; or loses it after so many bytes of all, and goes on. */
  | { do: 'fifo'; pipe: number; how: 'dies' | 'hangs' }
  | { do: 'fifo'; pipe: number; how: 'ends'; after: number }
  | { do: 'prepare-fails'; says: string; code: number };

/** Where the double reads what to do wrong and writes what it has done. */
export type ToolFiles = { plan: string; strikes: string; version: string };

export const readPlan = ({ plan }: ToolFiles): Misbehaviour | undefined =>
  existsSync(plan) ? (JSON.parse(readFileSync(plan, 'utf8')) ?? undefined) : undefined;

/** Told right before it strikes, since it may not live after it. */
export const strike = ({ strikes }: ToolFiles, what: string): void => appendFileSync(strikes, `${what}\n`);
