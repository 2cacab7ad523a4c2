import { beatSeconds, fenceSeconds, taskHeartbeatSeconds } from '../../contract/records/job.ts';

/** Milliseconds of everything that happens by the clock while a job runs. */
export type Intervals = {
  beat: number;
  /** Until `earlyUntil` after the claim beats come this often, so that short jobs are seen moving. */
  earlyBeat: number;
  earlyUntil: number;
  taskHeartbeat: number;
  /** Without a successful beat for this long the runner ends its own work. */
  fence: number;
  /** How long an unreachable table is asked for the job; well within the five minutes it may be claimed in. */
  claimBudget: number;
  /** How long an unreachable table is asked whether the manifest may be written: shorter than the fence, which ends the job anyway. */
  commitBudget: number;
  /** How long the end of a job is told to an unreachable table, and then to Step Functions. */
  finishBudget: number;
  /** How long work that was told to end may take to clean up: locks, a stopped applier, a tool that must be killed. */
  stuck: number;
};

export const defaultIntervals: Intervals = {
  beat: beatSeconds * 1000,
  earlyBeat: 5000,
  earlyUntil: 60_000,
  taskHeartbeat: taskHeartbeatSeconds * 1000,
  fence: fenceSeconds * 1000,
  claimBudget: 120_000,
  commitBudget: 120_000,
  finishBudget: 180_000,
  stuck: 240_000,
};
