import { NamedError } from '../../contract/errors/named-error.ts';

/** How patient an object's transfer is. All times in milliseconds. */
export type Patience = {
  /** After this long no new attempt is begun. */
  budgetMs: number;
  /** An attempt in which nothing moves for this long is given up. */
  stallMs: number;
  /** The first wait is up to this long, each further one up to twice the one before. */
  firstWaitMs: number;
  longestWaitMs: number;
};

/** Ten minutes outlast a failover of the store's zone; one minute without a byte is no slow network but a dead one. */
export const defaultPatience: Patience = {
  budgetMs: 600_000,
  stallMs: 60_000,
  firstWaitMs: 200,
  longestWaitMs: 20_000,
};

/** The wait before attempt `attempt` + 1 (full jitter): uploads that failed together do not come back together. */
export const waitMs = (attempt: number, patience: Patience, random: () => number = Math.random) =>
  Math.round(random() * Math.min(patience.longestWaitMs, patience.firstWaitMs * 2 ** (attempt - 1)));

/** Waits, or rejects as soon as the signal fires. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener('abort', onAbort);
    resolve();
  }, ms);
  signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}

/** What an attempt came to. `again` carries why; `newCredentials` that they must be renewed first. */
export type Attempt<T> = { done: T } | { again: string; newCredentials?: boolean };

/**
 * Attempts until one is done, an attempt throws (which is final), or the budget is used up: then
 * Store.Unavailable with the last reason.
 */
export async function attemptUntilDone<T>(options: {
  what: string;
  patience: Patience;
  signal?: AbortSignal | undefined;
  onRetry: (reason: string, attempt: number) => void;
  attempt: (number: number, newCredentials: boolean) => Promise<Attempt<T>>;
}): Promise<T> {
  const { what, patience, signal } = options;
  const began = performance.now();
  let newCredentials = false;
  for (let number = 1; ; number += 1) {
    signal?.throwIfAborted();
    const outcome = await options.attempt(number, newCredentials);
    if ('done' in outcome) return outcome.done;
    newCredentials = outcome.newCredentials ?? false;
    const wait = waitMs(number, patience);
    if (performance.now() - began + wait > patience.budgetMs) {
      throw new NamedError(
        'Store.Unavailable',
        `${what}: given up after ${number} attempts within ${Math.round(patience.budgetMs / 1000)} s; the last one: ${outcome.again}`,
        { attempts: number, last: outcome.again },
      );
    }
    options.onRetry(outcome.again, number);
    await pause(wait, signal);
  }
}
