import { randomBytes } from 'node:crypto';
import { type ErrorRecord, NamedError, toErrorRecord } from '../../contract/errors/named-error.ts';
import type { JobResult } from '../../contract/records/job.ts';
import type { EngineContext } from '../engines/engine.ts';
import type { RunChild } from '../host/child.ts';
import type { Clock } from '../host/clock.ts';
import { makeWorkDir, sweepWorkDirs } from '../host/files.ts';
import { sweepLockFiles, takeLockFile } from '../host/lock-file.ts';
import { startBeats } from './beats.ts';
import { type ClaimedJob, claimJob } from './claim.ts';
import { enterCommitting } from './committing.ts';
import { finishJob } from './finish.ts';
import type { Intervals } from './intervals.ts';
import type { JobLog } from './log.ts';
import { makeProgress } from './progress.ts';
import { repeatWithin } from './repeat.ts';
import type { JobRows } from './rows.ts';
import type { Tasks } from './tasks.ts';
import type { Works } from './work.ts';

export type SuperviseParts = {
  hostId: string;
  runnerVersion: string;
  rows: JobRows;
  tasks: Tasks;
  works: Works;
  runChild: RunChild;
  readSecret: EngineContext['readSecret'];
  clock: Clock;
  intervals: Intervals;
  jobLog: JobLog;
  /** Where work directories and lock files go; exists and is private. */
  workRoot: string;
  /** Fires when the runner itself is told to end (SIGTERM). */
  stop: AbortSignal;
};

/** `not-ours`: someone else's, done already, or unknown here; nothing was touched. */
export type JobOutcome = 'succeeded' | 'failed' | 'not-ours';

/** Cause texts of rows are limited by their schema. */
const longestCause = 4000;

/** Runs one job from its claim to its end, and tells both its row and the waiting state how it went. */
export async function superviseJob(jobId: string, parts: SuperviseParts): Promise<JobOutcome> {
  const { log } = parts.jobLog;
  const lock = takeLockFile(parts.workRoot, jobId);
  if (!lock) {
    log('another runner on this host has this job');
    return 'not-ours';
  }
  try {
    const secret = randomBytes(32).toString('base64url');
    const claim = await repeatWithin(
      parts.intervals.claimBudget,
      () =>
        claimJob(jobId, secret, {
          rows: parts.rows,
          now: parts.clock.now,
          runnerVersion: parts.runnerVersion,
        }),
      (error) => log('the claim was not taken; trying again', { cause: (error as Error).message }),
    );
    if (claim.outcome === 'not-ours') {
      log('nothing to do', { reason: claim.reason });
      return 'not-ours';
    }
    if (claim.outcome === 'unfit') {
      log('the order cannot be followed', { error: claim.error.name, cause: claim.error.message });
      await finishJob(
        claim.own,
        { state: 'failed', error: shorten(toErrorRecord(claim.error)) },
        claim.token,
        finishParts(parts),
      );
      return 'failed';
    }
    return await runClaimed(claim.job, parts);
  } finally {
    lock.release();
  }
}

async function runClaimed(job: ClaimedJob, parts: SuperviseParts): Promise<JobOutcome> {
  const { clock, jobLog, intervals, rows } = parts;
  const { log } = jobLog;
  const startedAt = clock.now();
  const controller = new AbortController();
  const abort = (reason: NamedError) => {
    if (controller.signal.aborted) return;
    log('ending the work', { error: reason.name, cause: reason.message });
    controller.abort(reason);
  };
  jobLog.hide(job.secret);
  const progress = makeProgress({ monotonic: clock.monotonic, onPhase: () => beats.soon() });
  const beats = startBeats({
    own: job,
    token: job.token,
    rows,
    tasks: parts.tasks,
    clock,
    intervals,
    progress: progress.current,
    abort,
    log,
  });
  const deadline = endAtDeadline(job.row.deadline, clock, abort);
  const onStop = () => abort(new NamedError('Job.Lost', 'the runner was told to stop (SIGTERM)'));
  parts.stop.addEventListener('abort', onStop, { once: true });
  if (parts.stop.aborted) onStop();
  log('claimed', { kind: job.row.order.kind, execution: job.row.execution, version: parts.runnerVersion });

  let end: { state: 'succeeded'; result: JobResult } | { state: 'failed'; error: ErrorRecord };
  try {
    const working = inWorkDir(job.jobId, parts, (workDir) =>
      work(job, parts, {
        startedAt,
        context: {
          workDir,
          runChild: parts.runChild,
          readSecret: parts.readSecret,
          hide: jobLog.hide,
          log,
          progress: progress.report,
          signal: controller.signal,
        },
        enterCommitting: async () => {
          controller.signal.throwIfAborted();
          await enterCommitting(job, { rows, clock, commitBudget: intervals.commitBudget, log });
          clearTimeout(deadline);
          beats.committing();
        },
      }),
    );
    const result = await Promise.race([working, neverEnding(controller.signal, intervals.stuck)]);
    end = { state: 'succeeded', result };
    log('done');
  } catch (error) {
    // An ended work fails in many ways; what ended it is the cause (F04).
    const cause = controller.signal.aborted ? controller.signal.reason : error;
    const record = redactRecord(toErrorRecord(cause), jobLog.redact);
    log('failed', { error: record.name, cause: record.cause });
    end = { state: 'failed', error: record };
  }
  clearTimeout(deadline);
  parts.stop.removeEventListener('abort', onStop);
  await beats.stop();
  await finishJob(job, end, beats.token(), finishParts(parts));
  return end.state;
}

/**
 * Rejects when work that was told to end has not ended within `stuckMs`: the process then goes, and its children
 * with it, rather than hold its cluster's lock for ever.
 */
function neverEnding(signal: AbortSignal, stuckMs: number): Promise<never> {
  return new Promise((_, reject) => {
    const give = () => setTimeout(() => reject(signal.reason), stuckMs).unref();
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}

async function inWorkDir<T>(
  jobId: string,
  parts: SuperviseParts,
  use: (directory: string) => Promise<T>,
): Promise<T> {
  for (const swept of sweepWorkDirs(parts.workRoot)) {
    parts.jobLog.log('removed what a dead runner left', { job: swept });
  }
  sweepLockFiles(parts.workRoot);
  const { directory, remove } = makeWorkDir(parts.workRoot, jobId);
  try {
    return await use(directory);
  } finally {
    remove();
  }
}

function work(
  job: ClaimedJob,
  parts: SuperviseParts,
  given: { startedAt: Date; context: EngineContext; enterCommitting: () => Promise<void> },
): Promise<JobResult> {
  const { order } = job.row;
  const { hostId, runnerVersion, clock, jobLog, works } = parts;
  const shared = { jobId: job.jobId, hostId, runnerVersion, secret: job.secret, clock, ...given };
  const forWork = { ...shared, logText: jobLog.text };
  switch (order.kind) {
    case 'check':
      return works.check(order, forWork);
    case 'backup':
      return works.backup(order, forWork);
    case 'restore':
      return works.restore(order, forWork);
    case 'restore-tables':
      return works['restore-tables'](order, forWork);
  }
}

function endAtDeadline(deadline: string, clock: Clock, abort: (reason: NamedError) => void): NodeJS.Timeout {
  const left = Date.parse(deadline) - clock.now().getTime();
  return setTimeout(
    () => abort(new NamedError('Job.DeadlinePassed', `the job had to be done by ${deadline}`, { deadline })),
    // The longest timer is 24 days; deadlines are two days at most.
    Math.max(0, left),
  );
}

const finishParts = ({ rows, tasks, clock, intervals, jobLog }: SuperviseParts) => ({
  rows,
  tasks,
  clock,
  finishBudget: intervals.finishBudget,
  log: jobLog.log,
});

const shorten = (record: ErrorRecord): ErrorRecord => ({
  ...record,
  cause: record.cause.slice(0, longestCause),
});

function redactRecord(record: ErrorRecord, redact: (text: string) => string): ErrorRecord {
  const facts = Object.entries(record.facts ?? {}).map(([name, value]) => [
    name,
    typeof value === 'string' ? redact(value) : value,
  ]);
  return shorten({
    name: record.name,
    cause: redact(record.cause),
    ...(facts.length > 0 ? { facts: Object.fromEntries(facts) } : {}),
  });
}
