import { setTimeout as sleep } from 'node:timers/promises';

/** Looks five times a second until it holds; a minute at most. */
export async function waitUntil(what: string, holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; !(await holds()); await sleep(200)) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen within a minute`);
  }
}
