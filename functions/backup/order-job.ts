import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import {
  type BackupOrder,
  claimSeconds,
  type JobRow,
  jobKey,
  type Order,
} from '../../contract/records/job.ts';
import type { Jobs } from '../catalog/job.ts';
import type { Launch } from '../clients/launcher.ts';

/** A job to be ordered; `token` where an execution waits for it. */
export type JobRequest = {
  jobId: string;
  host: Pick<HostRecord, 'userid' | 'document'>;
  clusterId: string | null;
  execution: string;
  lock: string | null;
  order: Order;
  deadlineSeconds: number;
  token?: string;
  /** Number of the slot's attempt that orders a backup. */
  attempt?: number;
};

export type JobOrdered =
  | { outcome: 'launched' }
  /** The job ended before: its row tells how. */
  | { outcome: 'ended'; row: JobRow }
  | { outcome: 'failed'; error: ErrorRecord };

/** Rows are dropped this long after their deadline: longer than anybody looks for a job. */
const keepSeconds = 30 * 86_400;

/** The row of a new job. */
export function newJobRow(request: JobRequest, now: Date): JobRow {
  const at = (seconds: number) => new Date(now.getTime() + seconds * 1000).toISOString();
  return {
    v: 1,
    ...jobKey(request.host.userid, request.jobId),
    jobId: request.jobId,
    hostId: request.host.document.hostId,
    clusterId: request.clusterId,
    execution: request.execution,
    lock: request.lock,
    state: 'queued',
    order: request.order,
    createdAt: at(0),
    claimBy: at(claimSeconds),
    deadline: at(request.deadlineSeconds),
    ...(request.token === undefined ? {} : { token: request.token }),
    live: 'yes',
    ttl: Math.floor(now.getTime() / 1000) + request.deadlineSeconds + keepSeconds,
  };
}

/** The record of a backup from the moment it is ordered. */
export function runningBackup(request: JobRequest, order: BackupOrder, now: Date): BackupRecord {
  const { method, level, chain, parent, timeline } = order.plan;
  return {
    v: 1,
    clusterId: order.clusterId,
    backupId: order.backupId,
    jobId: request.jobId,
    execution: request.execution,
    slot: order.slot,
    attempt: request.attempt ?? 1,
    state: 'running',
    extra: false,
    reasons: [],
    engine: order.engine,
    flavour: order.flavour,
    method,
    level,
    chain,
    parent,
    timeline,
    memberId: order.member.memberId,
    hostId: request.host.document.hostId,
    site: order.site,
    startedAt: now.toISOString(),
  };
}

export type OrderJobDeps = {
  jobs: Pick<Jobs, 'dispatch' | 'endFor' | 'get'>;
  launch: Launch;
  now: () => Date;
};

/**
 * Writes the job and starts its runner. The same job again only renews its token and sends the command again, which
 * a claimed job ignores. Throws what the tables throw.
 */
export function makeOrderJob(deps: OrderJobDeps) {
  return async (request: JobRequest): Promise<JobOrdered> => {
    const { host, jobId, lock, order } = request;
    const row = newJobRow(request, deps.now());
    const running = order.kind === 'backup' ? runningBackup(request, order, deps.now()) : undefined;
    const written = await deps.jobs.dispatch(row, host.userid, running);
    if (written.outcome === 'ended') return written;
    if (written.outcome === 'lock-lost') {
      const holder = written.holder ?? 'nobody';
      const cause = `the lock ${lock} is held by ${holder}, no longer by this execution; job ${jobId} was not ordered`;
      return { outcome: 'failed', error: { name: 'Job.NotLive', cause } };
    }
    if (written.outcome === 'conflict') {
      const cause = `job ${jobId} could not be written: its id is taken, or other writers did not leave room`;
      return { outcome: 'failed', error: { name: 'Holdfast.Unexpected', cause } };
    }
    const { hostId, account, region } = host.document;
    const launched = await deps.launch({ hostId, account, region, jobId });
    if (launched.outcome === 'launched') return launched;
    const error = { name: 'Launch.Failed', cause: launched.cause, facts: { hostId } };
    const seen = written.outcome === 'renewed' ? written.row : row;
    // A job that has been claimed meanwhile runs, whatever the answer to the command was.
    const ended =
      seen.state === 'queued' &&
      (await deps.jobs.endFor(host.userid, seen, 'failed', deps.now().toISOString(), { error })).outcome ===
        'ended';
    return ended ? { outcome: 'failed', error } : { outcome: 'launched' };
  };
}

export type OrderJob = ReturnType<typeof makeOrderJob>;
