import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import {
  type CheckOrder,
  type CheckResult,
  checkResultSchema,
  type JobRow,
} from '../../contract/records/job.ts';
import type { OrderJob } from '../backup/order-job.ts';
import type { Jobs } from '../catalog/job.ts';

/** One check to run on a host. */
export type CheckRequest = {
  host: Pick<HostRecord, 'userid' | 'document'>;
  jobId: string;
  memberId: string | null;
  order: CheckOrder;
};

/** What came of it. */
export type CheckOutcome = { hostId: string; memberId: string | null } & (
  | { result: CheckResult }
  | { error: ErrorRecord }
);

export type CheckHostsDeps = {
  orderJob: OrderJob;
  jobs: Pick<Jobs, 'get' | 'cancel'>;
  now: () => Date;
  sleep: (ms: number) => Promise<void>;
};

/** A check takes seconds; a host that has not answered after this is not reachable. */
export const answerSeconds = 90;

function outcomeOf({ host, memberId }: CheckRequest, row: JobRow): CheckOutcome {
  const { hostId } = host.document;
  if (row.error) return { hostId, memberId, error: { name: row.error.name, cause: row.error.cause } };
  const read = checkResultSchema.safeParse(row.result);
  if (row.state === 'succeeded' && read.success) return { hostId, memberId, result: read.data };
  const cause = `the check on ${hostId} ended as ${row.state} without a result`;
  return { hostId, memberId, error: { name: 'Host.Unreachable', cause } };
}

/** Runs checks outside any machine, all at once, and reads their rows until each has ended or 90 s are over. */
export function makeCheckHosts(deps: CheckHostsDeps) {
  async function one(request: CheckRequest, execution: string): Promise<CheckOutcome> {
    const { host, jobId, memberId, order } = request;
    const { hostId } = host.document;
    const ordered = await deps.orderJob({
      jobId,
      host,
      clusterId: null,
      execution,
      lock: null,
      order,
      deadlineSeconds: answerSeconds,
    });
    if (ordered.outcome === 'failed') return { hostId, memberId, error: ordered.error };
    const until = deps.now().getTime() + answerSeconds * 1000;
    for (;;) {
      const row = await deps.jobs.get(host.userid, jobId);
      if (row !== undefined && row.live !== 'yes') return outcomeOf(request, row);
      if (deps.now().getTime() >= until) break;
      await deps.sleep(1000);
    }
    await deps.jobs.cancel(host.userid, jobId, deps.now().toISOString());
    const cause = `hostId: ${hostId} did not answer its check within ${answerSeconds} s; is its runner installed, and may its role reach the jobs table?`;
    return { hostId, memberId, error: { name: 'Host.Unreachable', cause } };
  }
  return (requests: readonly CheckRequest[], execution: string): Promise<CheckOutcome[]> =>
    Promise.all(requests.map((request) => one(request, execution)));
}

export type CheckHosts = ReturnType<typeof makeCheckHosts>;
