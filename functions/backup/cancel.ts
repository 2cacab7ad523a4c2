import { z } from 'zod';
import { instant } from '../../contract/records/ids.ts';
import type { Jobs } from '../catalog/job.ts';
import { makeLambda } from '../log/lambda.ts';

export type CancelAnswer = { outcome: 'ended' | 'waiting' | 'given-up'; live: string[] };

export type CancelDeps = { jobs: Pick<Jobs, 'ofExecution' | 'cancel'>; now: () => Date };

/** After this the lock is left to reconcile, which knows a lost job from a slow one. */
export const giveUpSeconds = 600;

/** Cancels all live jobs of an execution; answers those that are still live afterwards. Committing ones are left to end. */
export async function cancelJobsOf(deps: CancelDeps, execution: string): Promise<string[]> {
  const live: string[] = [];
  const at = deps.now().toISOString();
  for (const { userid, jobId, live: lives } of await deps.jobs.ofExecution(execution, at)) {
    if (!lives) continue;
    const { outcome } = await deps.jobs.cancel(userid, jobId, at);
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
