import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../contract/errors/named-error.ts';

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/**
 * Asks `ready` every 50 ms until it answers true. Gives up with `Local.StartFailed` after `timeoutMs`, or at once
 * when `ended` says that the process is gone; `detail` is read then, usually the end of its log.
 */
export async function waitUntilReady(
  what: string,
  timeoutMs: number,
  ready: () => Promise<boolean>,
  state: { ended: () => boolean; detail: () => string },
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    if (await ready().catch(() => false)) return;
    if (state.ended() || Date.now() > deadline) {
      const why = state.ended() ? 'ended while starting' : `was not ready after ${timeoutMs} ms`;
      throw new NamedError('Local.StartFailed', `${what} ${why}: ${state.detail()}`, { what });
    }
    await sleep(50);
  }
}
