import { z } from 'zod';
import { type ErrorRecord, toErrorRecord } from '../../contract/errors/named-error.ts';
import { hostId, id, mintedId } from '../../contract/records/ids.ts';
import { type JobRow, orderSchema } from '../../contract/records/job.ts';
import type { Hosts } from '../catalog/host.ts';
import type { Slots } from '../catalog/slot.ts';
import type { Tasks } from '../clients/tasks.ts';
import { makeLambda } from '../log/lambda.ts';
import type { OrderJob } from './order-job.ts';

export type DispatchAnswer = { outcome: 'launched' } | { outcome: 'answered' };

export type DispatchDeps = {
  hosts: Pick<Hosts, 'get'>;
  slots: Pick<Slots, 'get'>;
  orderJob: OrderJob;
  tasks: Tasks;
};

/** What the execution is told about a job that ended before this call could renew its token. */
export function endOf(row: JobRow): { output: unknown } | { error: ErrorRecord } {
  if (row.state === 'succeeded') return { output: row.result };
  if (row.error) return { error: { name: row.error.name, cause: row.error.cause } };
  const name =
    row.state === 'cancelled' ? 'Job.Cancelled' : row.state === 'lost' ? 'Job.Lost' : 'Job.NotLive';
  return { error: { name, cause: `job ${row.jobId} on ${row.hostId} is ${row.state}` } };
}

/**
 * Orders a job and starts its runner for a task that waits for a callback. The answer of this function is thrown
 * away by such a task, so every failure is told by SendTaskFailure, and success is the runner's to tell.
 */
export function makeHandler(deps: DispatchDeps) {
  async function order(request: z.output<typeof event>): Promise<Awaited<ReturnType<OrderJob>>> {
    const host = await deps.hosts.get(request.hostId);
    if (host === undefined) {
      const cause = `hostId: ${request.hostId} is not registered; register it first`;
      return { outcome: 'failed', error: { name: 'Host.Unknown', cause } };
    }
    const slot = request.order.kind === 'backup' ? request.order.slot : null;
    const attempt = slot === null ? 1 : ((await deps.slots.get(request.clusterId ?? '', slot))?.attempt ?? 1);
    return deps.orderJob({ ...request, host, attempt });
  }

  return makeLambda<typeof event, DispatchAnswer>({
    name: 'dispatch',
    event,
    onInvalid: 'throw',
    handle: async (request, log) => {
      const ordered = await order(request).catch((thrown: unknown) => ({
        outcome: 'failed' as const,
        error: toErrorRecord(thrown),
      }));
      if (ordered.outcome === 'launched') return ordered;
      const end = ordered.outcome === 'ended' ? endOf(ordered.row) : { error: ordered.error };
      const told =
        'error' in end
          ? await deps.tasks.fail(request.token, end.error)
          : await deps.tasks.succeed(request.token, end.output);
      log.info('answered the task', { ...end, told: told.outcome });
      return { outcome: 'answered' };
    },
  });
}

const event = z.object({
  token: z.string().min(1),
  execution: z.string().min(1),
  lock: z.string().min(1),
  clusterId: id.nullable(),
  jobId: mintedId,
  hostId,
  order: orderSchema,
  deadlineSeconds: z.int().min(1),
});
