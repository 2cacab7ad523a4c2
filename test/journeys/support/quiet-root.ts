import { setTimeout as sleep } from 'node:timers/promises';
import { processesOfRoot } from '../../../infra/local/process-identity.ts';

/**
 * Waits until nothing of a host's root runs any more, the sweep behind a runner included. Seen three times: a process
 * that is becoming another has no environment for a moment. Throws after a minute, with what still runs.
 */
export async function quietRoot(root: string): Promise<void> {
  let still = 0;
  for (const until = Date.now() + 60_000; Date.now() < until; await sleep(20)) {
    still = processesOfRoot(root).length === 0 ? still + 1 : 0;
    if (still === 3) return;
  }
  throw new Error(`still running: ${JSON.stringify(processesOfRoot(root))}`);
}
