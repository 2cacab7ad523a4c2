import { z } from 'zod';
import { instant } from '../../contract/records/ids.ts';
import type { JobRow } from '../../contract/records/job.ts';
import type { Jobs } from '../catalog/job.ts';
import { makeLambda } from '../log/lambda.ts';

export type CancelAnswer = { outcome: 'ended' | 'waiting' | 'given-up'; live: string[] };

export type CancelDeps = { jobs: Pick<Jobs, 'ofExecution' | 'cancel'>; now: () => Date };

/** After this the lock is left to reconcile, which knows a lost job from a slow one. */
export const giveUpSeconds = 600;

/** Where a job lies: the partition of its row is its host's identity. */
export const addressOf = ({ pk, jobId }: JobRow) => ({ userid: pk, jobId });

/** Cancels all live jobs of an execution; answers those that are still live afterwards. Committing ones are left to end. */
export async function cancelJobsOf(deps: CancelDeps, execution: string): Promise<string[]> {
  const live: string[] = [];
  for (const row of await deps.jobs.ofExecution(execution)) {
    if (row.live !== 'yes') continue;
    const { userid, jobId } = addressOf(row);
    const { outcome } = await deps.jobs.cancel(userid, jobId, deps.now().toISOString());
    if (outcome === 'told' || outcome === 'committing') live.push(jobId);
  }
  return live;
}

/**
 * Cancels what an execution still has running, again and again until it has ended, for ten minutes at most: a
 * backup that nobody waits for would hold its locks, and its lock may only be given back when it is gone.
 */
export function makeHandler(deps: CancelDeps) {
  return makeLambda<typeof event, CancelAnswer>({
    name: 'cancel',
    event,
    onInvalid: 'throw',
    handle: async ({ execution, since }) => {
      const live = await cancelJobsOf(deps, execution);
      if (live.length === 0) return { outcome: 'ended', live };
      const waited = (deps.now().getTime() - Date.parse(since)) / 1000;
      return { outcome: waited >= giveUpSeconds ? 'given-up' : 'waiting', live };
    },
  });
}

const event = z.object({ execution: z.string().min(1), since: instant });
