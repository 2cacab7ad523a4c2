import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import type { JobResult, JobState, Progress } from '../../contract/records/job.ts';

/** A job this runner has claimed: only a row that carries the hash of its secret is its own. */
export type OwnJob = { jobId: string; claimSecretSha256: string };

export type JobEnd = { state: 'succeeded'; result: JobResult } | { state: 'failed'; error: ErrorRecord };

/**
 * The rows of this host in the jobs table. Each change is conditional and can be repeated: one whose answer was
 * lost meets its own trace and counts as done. Rows come unparsed, since a newer control may have written them.
 */
export type JobRows = {
  get: (jobId: string) => Promise<Record<string, unknown> | undefined>;
  /** queued → claimed. */
  claim: (
    own: OwnJob,
    runnerVersion: string,
    at: string,
  ) => Promise<
    { outcome: 'claimed'; row: Record<string, unknown> } | { outcome: 'not-queued'; state: string }
  >;
  /** Says that the runner lives and how far it is; answers what the row says now. `gone`: no longer a live job of ours. */
  beat: (
    own: OwnJob,
    progress: Progress,
    at: string,
  ) => Promise<
    | { outcome: 'alive'; state: JobState; token: string | undefined }
    | { outcome: 'gone'; state: string | undefined }
  >;
  /** claimed → committing: after this only the runner itself ends the job. */
  committing: (
    own: OwnJob,
    at: string,
  ) => Promise<{ outcome: 'committing' } | { outcome: 'refused'; state: string | undefined }>;
  /**
   * Ends the job and erases token and `live`. One that was cancelled or lost keeps that state and learns when its
   * runner ended. `token` is the newest one the row held.
   */
  finish: (
    own: OwnJob,
    end: JobEnd,
    at: string,
  ) => Promise<{ state: string | undefined; token: string | undefined }>;
};
