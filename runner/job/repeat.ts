import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Repeats what failed until it works or the budget is spent, then throws its last error. Pauses double up to
 * 20 s and are drawn from their whole length, so that a fleet that lost its table does not come back in step.
 */
export async function repeatWithin<T>(
  budgetMs: number,
  task: () => Promise<T>,
  onFailure: (error: unknown) => void,
  firstPauseMs = 500,
): Promise<T> {
  const until = performance.now() + budgetMs;
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, 20_000)) {
    try {
      return await task();
    } catch (error) {
      const wait = Math.random() * pause;
      if (performance.now() + wait > until) throw error;
      onFailure(error);
      await sleep(wait);
    }
  }
}
