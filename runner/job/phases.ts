import type { Job } from './work.ts';

/** Seconds by phase, for the measured restore time, and how a phase is run. */
export function makePhases({ context, clock }: Job) {
  const seconds: Record<string, number> = {};
  const timed = async <T>(phase: string, step: () => Promise<T>): Promise<T> => {
    context.signal.throwIfAborted();
    context.progress(phase);
    const started = clock.monotonic();
    const result = await step();
    seconds[phase] = Math.round(clock.monotonic() - started) / 1000;
    context.log(`${phase} done`, { seconds: seconds[phase] });
    return result;
  };
  return { seconds, timed };
}
