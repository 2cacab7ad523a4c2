import type { Range } from '../fingerprint/ranges.ts';
import { readTableFacts } from '../fingerprint/table-facts.ts';
import type { UserTable } from '../fingerprint/user-tables.ts';
import { withSession } from '../session.ts';
import type { Live } from './live.ts';

/** The facts of a table on the live server, as a fingerprint has them; of one read in ranges, two halves at once. */
export async function readLiveFacts(
  { session, login }: Pick<Live, 'session' | 'login'>,
  table: UserTable,
  ranges: Range[] | undefined,
  signal: AbortSignal,
): Promise<{ rows: number; checksum: string | null }> {
  if (ranges === undefined || ranges.length < 2) return readTableFacts(session, table, ranges);
  const half = Math.ceil(ranges.length / 2);
  return withSession(login, signal, async (other) => {
    const [first, second] = await Promise.all([
      readTableFacts(session, table, ranges.slice(0, half)),
      readTableFacts(other, table, ranges.slice(half)),
    ]);
    return { rows: first.rows + second.rows, checksum: `${first.checksum} ${second.checksum}` };
  });
}
