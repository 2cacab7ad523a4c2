import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Stage } from './stages.ts';

export type LockBudget = {
  /** Tells that the tool has gone on to this stage. */
  enter: (stage: Stage) => void;
  /** The tool has ended, however. */
  end: () => void;
  /** Seconds in which commits (and DDL) were blocked; what is not ended counts until now. */
  seconds: () => { commit: number; ddl: number };
};

/**
 * Watches how long the tool holds its locks (M06): from the first moment it asks for one until it says that all are
 * released. Over the policy's budget `abort` is called, once, with `Backup.LockBudget`; killing the tool's group and
 * proving its session gone is the caller's.
 * @param now seconds, monotone
 */
export function makeLockBudget(
  limits: { commitSeconds: number; ddlSeconds: number },
  abort: (error: NamedError) => void,
  now: () => number = () => performance.now() / 1000,
): LockBudget {
  const since: Partial<Record<'ddl' | 'commit', number>> = {};
  const total = { commit: 0, ddl: 0 };
  const timers = new Map<'ddl' | 'commit', NodeJS.Timeout>();

  const begin = (kind: 'ddl' | 'commit', seconds: number, field: string, what: string) => {
    if (since[kind] !== undefined) return;
    since[kind] = now();
    const timer = setTimeout(() => {
      abort(
        new NamedError(
          'Backup.LockBudget',
          `the tool blocked ${what} for ${seconds} s, the policy's ${field} allows no more; it was killed`,
          { field, value: seconds, blocked: what },
        ),
      );
    }, seconds * 1000);
    timers.set(kind, timer);
  };

  const end = () => {
    for (const timer of timers.values()) clearTimeout(timer);
    timers.clear();
    for (const kind of ['ddl', 'commit'] as const) {
      const from = since[kind];
      if (from !== undefined) total[kind] += now() - from;
      delete since[kind];
    }
  };

  return {
    enter: (stage) => {
      if (stage === 'ddl') begin('ddl', limits.ddlSeconds, 'ddlLockBudgetSeconds', 'DDL');
      else if (stage === 'commit') begin('commit', limits.commitSeconds, 'lockBudgetSeconds', 'commits');
      else if (stage === 'unlocked') end();
    },
    end,
    seconds: () => ({
      commit: total.commit + (since.commit === undefined ? 0 : now() - since.commit),
      ddl: total.ddl + (since.ddl === undefined ? 0 : now() - since.ddl),
    }),
  };
}
