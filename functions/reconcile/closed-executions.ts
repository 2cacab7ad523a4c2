import { cancelJobsOf } from '../backup/cancel.ts';
import type { JobStanding, Jobs } from '../catalog/job.ts';
import type { CapRecord, Leases } from '../catalog/lease.ts';
import type { LockRecord, Locks } from '../catalog/lock.ts';
import type { PinRecord, Pins } from '../catalog/pin.ts';
import type { ExecutionStatus, Executions } from '../clients/executions.ts';
import type { Log } from '../log/log.ts';
import { pinIsAging, pinUntil } from '../restore/pin-time.ts';
import { each } from './each.ts';

/** Everything that one execution holds; `since`: when it took the last of its locks and pins. */
export type Holdings = {
  execution: string;
  locks: string[];
  caps: string[];
  pins: PinRecord[];
  since: string | undefined;
};

/** DescribeExecution is eventually consistent: one that has just started may be unknown for moments. */
const unknownMinutes = 10;

/** Locks, caps and pins by the execution that holds them. */
export function holdingsOf(
  locks: readonly LockRecord[],
  caps: readonly CapRecord[],
  pins: readonly PinRecord[],
): Holdings[] {
  const all = new Map<string, Holdings>();
  const of = (execution: string) => {
    const known = all.get(execution) ?? { execution, locks: [], caps: [], pins: [], since: undefined };
    all.set(execution, known);
    return known;
  };
  const later = (held: Holdings, since: string) => {
    if (held.since === undefined || since > held.since) held.since = since;
  };
  for (const lock of locks) {
    of(lock.holder).locks.push(lock.name);
    later(of(lock.holder), lock.since);
  }
  for (const cap of caps) for (const holder of cap.holders) of(holder).caps.push(cap.name);
  for (const pin of pins) {
    of(pin.execution).pins.push(pin);
    later(of(pin.execution), pin.since);
  }
  return [...all.values()];
}

/**
 * What becomes of what an execution holds: kept while it runs; while a job of a closed one lives, the job is
 * cancelled and its lock still kept (its runner may be holding locks on the database); else freed.
 */
export function decideHolder(
  status: ExecutionStatus['status'],
  jobs: readonly Pick<JobStanding, 'live'>[],
  since: string | undefined,
  now: Date,
): 'keep' | 'cancel-jobs' | 'free' {
  if (status === 'open') return 'keep';
  if (status === 'unknown' && since !== undefined) {
    if (now.getTime() - Date.parse(since) < unknownMinutes * 60_000) return 'keep';
  }
  return jobs.some((job) => job.live) ? 'cancel-jobs' : 'free';
}

export type ClosedExecutionsDeps = {
  locks: Pick<Locks, 'list' | 'release'>;
  leases: Pick<Leases, 'list' | 'release'>;
  pins: Pick<Pins, 'list' | 'put' | 'release'>;
  jobs: Pick<Jobs, 'ofExecution' | 'cancel'>;
  executions: Pick<Executions, 'describe'>;
  now: () => Date;
  log: Log;
};

async function reconcileHolder(deps: ClosedExecutionsDeps, held: Holdings): Promise<boolean> {
  const { execution } = held;
  const now = deps.now();
  const { status } = await deps.executions.describe(execution);
  const jobs = status === 'open' ? [] : await deps.jobs.ofExecution(execution, now.toISOString());
  switch (decideHolder(status, jobs, held.since, now)) {
    case 'keep':
      for (const pin of held.pins.filter((p) => pinIsAging(p.until, now))) {
        await deps.pins.put({ ...pin, until: pinUntil(now).toISOString() });
      }
      return false;
    case 'cancel-jobs':
      await cancelJobsOf(deps, execution);
      return false;
    case 'free':
      // The lock goes last: whoever takes it next finds the caps free already.
      await deps.leases.release(execution, held.caps);
      for (const pin of held.pins) await deps.pins.release(pin);
      for (const lock of held.locks) await deps.locks.release(lock, execution);
      deps.log.info('freed what a closed execution held', {
        execution,
        status,
        locks: held.locks,
        caps: held.caps,
        pins: held.pins.length,
      });
      return true;
  }
}

/** Frees locks, caps and pins of closed executions, and renews the pins of running ones. */
export async function reconcileClosedExecutions(
  deps: ClosedExecutionsDeps,
): Promise<{ held: number; freed: number; failed: number }> {
  const [locks, caps, pins] = [await deps.locks.list(), await deps.leases.list(), await deps.pins.list()];
  const { done, failed } = await each(holdingsOf(locks, caps, pins), 5, deps.log, (held) =>
    reconcileHolder(deps, held),
  );
  return { held: locks.length, freed: done.filter(Boolean).length, failed };
}
