import type { JobResult, Order } from '../../contract/records/job.ts';
import type { EngineContext } from '../engines/engine.ts';
import type { Clock } from '../host/clock.ts';

/** What the kinds of work get from the supervision of their job. */
export type Job = {
  jobId: string;
  hostId: string;
  runnerVersion: string;
  /** Shown to the broker. */
  secret: string;
  startedAt: Date;
  clock: Clock;
  /** What engines get: work directory, children, log, progress, and the signal that ends the work. */
  context: EngineContext;
  /** The log so far, redacted, as JSON lines. */
  logText: () => string;
  /** Passes once, and only while the job is neither cancelled nor lost; to be called right before the manifest. */
  enterCommitting: () => Promise<void>;
};

/** One kind of work. Rejects with a NamedError where the reason is known; the signal's reason where it was ended. */
export type Work<O extends Order = Order, R extends JobResult = JobResult> = (
  order: O,
  job: Job,
) => Promise<R>;

/** The kinds of work a runner can do, by the order's `kind`. */
export type Works = { [K in Order['kind']]: Work<Extract<Order, { kind: K }>> };
