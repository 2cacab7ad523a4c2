import type { SegmentIndex } from '../../../contract/formats/segment.ts';
import { makeDroppedWithin } from '../../../contract/mysql-files/dropped-within.ts';
import { reachingIn } from '../../../contract/mysql-files/reaching-in.ts';
import { tableText } from '../../../contract/mysql-files/relations.ts';
import { transactionsBetween } from '../../../contract/positions/transactions-between.ts';
import type { LogOrder } from '../../../contract/records/log-order.ts';
import { type Refused, refused } from '../../log/lambda.ts';
import type { PlannedTables } from './plan-tables.ts';

/**
 * Why the log of these tables alone does not lead to the point (M04); undefined where it does, as far as changes of
 * definitions tell. Rows that were written as statements are found by the runner, before anything is replayed.
 */
export async function reachedInto(
  { wanted, ancestors }: Pick<PlannedTables, 'wanted' | 'ancestors'>,
  log: LogOrder,
  changes: AsyncIterable<SegmentIndex>,
): Promise<Refused | undefined> {
  if (log.until.gtid === '') {
    return refused(
      'Restore.NotYet',
      'until: the log of single tables is replayed by GTID, and this one has none; leave out until, or restore the whole',
      { field: 'until' },
    );
  }
  const within = transactionsBetween(log);
  const follow = makeDroppedWithin(wanted, within);
  for await (const index of changes) {
    follow.read(index);
    const found = reachingIn([...wanted, ...ancestors], index, within);
    if (found === undefined) continue;
    return refused(
      'Restore.TableUnfit',
      `tables: ${found.why}, so that the log of these tables alone does not lead to the point; name those too, choose a point before it (until: {"beforeGtid": "${found.gtid}"}), or restore the whole`,
      { field: 'tables', value: found.gtid },
    );
  }
  const [gone] = follow.dropped();
  if (gone === undefined) return undefined;
  return refused(
    'Restore.TableUnknown',
    `tables: ${tableText(gone.table)} is not there at the point: ${gone.gtid} drops it before; choose the moment before that (until: {"beforeGtid": "${gone.gtid}"})`,
    { field: 'tables', value: tableText(gone.table) },
  );
}
