import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, makeClock } from '../../../../runner/host/clock.ts';
import { makeRunChild } from '../../../../runner/host/run-child.ts';
import { defaultIntervals } from '../../../../runner/job/intervals.ts';
import { type JobLog, makeJobLog } from '../../../../runner/job/log.ts';
import { superviseJob } from '../../../../runner/job/supervise.ts';
import type { Works } from '../../../../runner/job/work.ts';
import type { CredentialsProvider } from '../../../../runner/stream/sign.ts';
import { openStore } from '../../../../runner/stream/store.ts';
import type { MemoryRows } from '../../../doubles/memory-rows.ts';

/** A four-hundredth of the runner's own budget and a hundred-and-twentieth of its stall time. */
export const patienceOfTests = { budgetMs: 1500, stallMs: 500, firstWaitMs: 10, longestWaitMs: 50 };

/** Opens the bucket of the S3 double, patient for moments rather than minutes. */
export function openTestStore(url: string, credentials: CredentialsProvider, jobLog: JobLog) {
  return openStore({
    bucket: 'bucket-of-test',
    region: 'eu-central-1',
    credentials,
    connections: 4,
    env: { AWS_ENDPOINT_URL_S3: url },
    log: jobLog.log,
    patience: patienceOfTests,
  });
}

export const hostCredentials: CredentialsProvider = async () => ({
  accessKeyId: 'host',
  secretAccessKey: 'x',
});

/** Runs a queued job of `rows` as the runner would, with the works that the test gives it. */
export async function runJob(
  rows: MemoryRows,
  jobId: string,
  makeWorks: (given: { jobLog: JobLog; clock: Clock; scratch: string }) => Works,
) {
  const clock = makeClock();
  const jobLog = makeJobLog({ fixed: { jobId }, now: clock.now, write: () => {} });
  const scratch = mkdtempSync(join(tmpdir(), 'job-under-test-'));
  try {
    const outcome = await superviseJob(jobId, {
      hostId: 'mi-0abc',
      runnerVersion: '1',
      rows,
      tasks: { heartbeat: async () => 'taken', succeed: async () => 'taken', fail: async () => 'taken' },
      works: makeWorks({ jobLog, clock, scratch }),
      runChild: makeRunChild(),
      readSecret: async () => '',
      clock,
      intervals: { ...defaultIntervals, beat: 20, earlyBeat: 20, finishBudget: 1000 },
      jobLog,
      workRoot: scratch,
      stop: new AbortController().signal,
    });
    return { outcome, row: rows.rows.get(jobId)!, log: jobLog.text() };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
