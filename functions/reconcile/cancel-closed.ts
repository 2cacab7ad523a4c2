import { z } from 'zod';
import { cancelJobsOf } from '../backup/cancel.ts';
import type { Jobs } from '../catalog/job.ts';
import { makeLambda } from '../log/lambda.ts';

/** The event `Step Functions Execution Status Change` of an execution that ended without success. */
const closedEventSchema = z.object({
  detail: z.object({
    executionArn: z.string().min(1),
    status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
  }),
});

export type CancelClosedDeps = { jobs: Pick<Jobs, 'ofExecution' | 'cancel'>; now: () => Date };

/**
 * Tells the jobs of a closed execution to stop: nobody waits for them any more. A committing one is left to write
 * its manifest, which Reconcile adopts. Locks stay until Reconcile has seen the jobs end. Twice is harmless.
 */
export const makeHandler = (deps: CancelClosedDeps) =>
  makeLambda({
    name: 'cancel-closed',
    event: closedEventSchema,
    onInvalid: 'throw',
    handle: async ({ detail }): Promise<{ outcome: 'cancelled'; stillLive: string[] }> => ({
      outcome: 'cancelled',
      stillLive: await cancelJobsOf(deps, detail.executionArn),
    }),
  });
