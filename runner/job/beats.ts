import { NamedError } from '../../contract/errors/named-error.ts';
import type { Progress } from '../../contract/records/job.ts';
import type { Log } from '../engines/engine.ts';
import type { Clock } from '../host/clock.ts';
import type { Intervals } from './intervals.ts';
import type { JobRows, OwnJob } from './rows.ts';
import type { Tasks } from './tasks.ts';

export type Beats = {
  /** Beats at once rather than when the interval is over. */
  soon: () => void;
  /** From here on a token that is gone means nothing: what is committed is adopted. */
  committing: () => void;
  token: () => string | undefined;
  stop: () => Promise<void>;
};

export type BeatsOptions = {
  own: OwnJob;
  token: string | undefined;
  rows: JobRows;
  tasks: Tasks;
  clock: Clock;
  intervals: Intervals;
  progress: () => Progress;
  /** Ends the job's work; the first reason counts. */
  abort: (reason: NamedError) => void;
  log: Log;
};

/** How often at most `soon` is followed. */
const soonestMs = 1000;

/**
 * Keeps a claimed job alive: beats into its row, heartbeats to its task; and ends the work when the row says that
 * the job is cancelled or lost, when nobody waits for it any more (F43), or when no beat has arrived for so long
 * that control is about to give it up (the runner fences itself).
 */
export function startBeats(options: BeatsOptions): Beats {
  const { own, rows, tasks, clock, intervals, abort, log } = options;
  const started = clock.monotonic();
  let token = options.token;
  let deadToken: string | undefined;
  let committing = false;
  let stopped = false;
  let lastBeat = started;
  let lastHeartbeat = Number.NEGATIVE_INFINITY;
  let lastAttempt = started;
  let soonTimer: NodeJS.Timeout | undefined;
  let wake = () => {};

  const beat = async () => {
    // Counted from when it was sent: the row cannot be younger than that.
    const sentAt = clock.monotonic();
    const answer = await rows.beat(own, options.progress(), clock.now().toISOString());
    if (answer.outcome === 'gone') {
      abort(whyGone(answer.state));
      return;
    }
    lastBeat = sentAt;
    token = answer.token;
    if (answer.state === 'cancelled') {
      abort(new NamedError('Job.Cancelled', 'the job was cancelled while it ran'));
    }
  };

  const heartbeat = async () => {
    if (token === undefined || token === deadToken) return;
    if (clock.monotonic() - lastHeartbeat < intervals.taskHeartbeat) return;
    const used = token;
    const answer = await tasks.heartbeat(used);
    lastHeartbeat = clock.monotonic();
    if (answer === 'taken') return;
    // Dispatch may have renewed the token a moment ago; only one that is still the row's own is final.
    await beat();
    if (token !== used) {
      lastHeartbeat = Number.NEGATIVE_INFINITY;
      return;
    }
    deadToken = used;
    if (committing) return;
    abort(new NamedError('Job.NotLive', 'the state machine no longer waits for this job'));
  };

  const attempt = async (what: string, task: () => Promise<void>) => {
    try {
      await task();
    } catch (error) {
      log(`${what} failed`, { error: (error as Error).name, cause: (error as Error).message });
    }
  };

  const fence = setInterval(
    () => {
      const silence = clock.monotonic() - lastBeat;
      if (silence < intervals.fence) return;
      abort(
        new NamedError('Job.Fenced', `no beat has arrived for ${Math.round(silence / 1000)} s`, {
          silenceSeconds: Math.round(silence / 1000),
        }),
      );
    },
    Math.min(1000, intervals.fence / 4),
  );

  const pause = (milliseconds: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });

  const loop = (async () => {
    while (!stopped) {
      await attempt('task heartbeat', heartbeat);
      const early = clock.monotonic() - started < intervals.earlyUntil;
      if (!stopped) await pause(early ? intervals.earlyBeat : intervals.beat);
      lastAttempt = clock.monotonic();
      if (!stopped) await attempt('beat', beat);
    }
  })();

  return {
    soon: () => {
      soonTimer ??= setTimeout(
        () => {
          soonTimer = undefined;
          wake();
        },
        Math.max(0, lastAttempt + soonestMs - clock.monotonic()),
      );
    },
    committing: () => {
      committing = true;
    },
    token: () => token,
    stop: async () => {
      stopped = true;
      wake();
      clearInterval(fence);
      clearTimeout(soonTimer);
      await loop;
    },
  };
}

function whyGone(state: string | undefined): NamedError {
  if (state === 'lost')
    return new NamedError('Job.Lost', 'control gave this job up: its beats came too late');
  return new NamedError('Job.NotLive', `the job's row is ${state ?? 'gone'}`, { state: state ?? null });
}
