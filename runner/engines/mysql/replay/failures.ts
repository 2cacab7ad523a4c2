import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { ApplierError } from './applier-error.ts';

export const replayFailed = (cause: string, facts: Record<string, string | number | null> = {}) =>
  new NamedError('Restore.ReplayFailed', cause.slice(0, 3500), facts);

/** A transaction that cannot be applied. @param at where the data stands */
export function applyFailed(error: ApplierError, at: string): NamedError {
  const where = error.gtid ?? 'a transaction';
  const table = error.table === undefined ? '' : `, table ${error.table}`;
  return replayFailed(
    `${where} cannot be applied (error ${error.errno}${table}): ${error.message}. The data stands at ${at || 'no position'}`,
    { gtid: error.gtid ?? null, errno: error.errno, table: error.table ?? null, at },
  );
}

export const replayStalled = (stallSeconds: number, at: string) =>
  new NamedError(
    'Restore.ReplayStalled',
    `nothing has moved for ${stallSeconds} s at ${at}; the policy's stallSeconds allows no more`,
    { stallSeconds, at },
  );

export const positionMissed = (reached: string, wanted: string, why = '') =>
  new NamedError(
    'Restore.PositionMissed',
    `the replay ended at ${reached || 'no position'} instead of ${wanted}${why}`.slice(0, 3500),
    { reached: reached.slice(0, 1000), wanted: wanted.slice(0, 1000) },
  );

/** A server skips every event that bears its own id, and reports the end of the log as reached all the same. */
export function refuseOwnEvents({ serverIds }: { serverIds: ReadonlySet<number> }, serverId: number): void {
  if (!serverIds.has(serverId)) return;
  throw replayFailed(
    `the restored server has the id ${serverId}, which wrote events of the log: it would skip them; restore again, which draws another`,
    { serverId },
  );
}
