import { toErrorRecord } from '../../contract/errors/named-error.ts';
import { limited } from '../clients/limited.ts';
import type { Log } from '../log/log.ts';

/**
 * Works on every item, `atOnce` in flight: one that fails is logged and counted and keeps nobody else from being
 * looked at, since a single bad record must not stop the watch over all others.
 */
export async function each<T, R>(
  items: readonly T[],
  atOnce: number,
  log: Log,
  work: (item: T) => Promise<R>,
): Promise<{ done: R[]; failed: number }> {
  const ends = await limited(items, atOnce, async (item) => {
    try {
      return { done: await work(item) };
    } catch (thrown) {
      log.error('one of many failed', { error: toErrorRecord(thrown) });
      return { failed: true };
    }
  });
  const done = ends.flatMap((end) => ('done' in end ? [end.done as R] : []));
  return { done, failed: ends.length - done.length };
}
