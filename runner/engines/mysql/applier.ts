import { setTimeout as sleep } from 'node:timers/promises';
import { NamedError } from '../../../contract/errors/named-error.ts';
import type { Log } from '../engine.ts';
import { readChannels } from './channels.ts';
import type { Login } from './login.ts';
import { openSession, type Session } from './session.ts';

/** Seconds that stopping may take: the applier ends the transaction it is in, and a large one takes its time. */
const stopSeconds = 600;
const startAttempts = 10;

export type Applier = {
  /** Stops the channels, so that the member stands at one position. A marker must say so before (M11). */
  stop: (session: Session) => Promise<void>;
  /** Starts the channels again. Once they run it does nothing; it does not heed a cancel. */
  start: () => Promise<void>;
  /** Seconds for which they stood, so far. */
  seconds: () => number;
};

/** Starts channels and looks whether they run; retried, with a new session each time. */
export async function startChannels(login: Login, channels: readonly string[], log: Log): Promise<void> {
  let last = '';
  for (let attempt = 1; attempt <= startAttempts; attempt++) {
    try {
      const session = await openSession(login, AbortSignal.timeout(60_000));
      try {
        const known = (await readChannels(session)).filter((c) => channels.includes(c.name));
        // A member that was promoted meanwhile has them no more, and nobody wants them back.
        for (const gone of channels.filter((name) => !known.some((c) => c.name === name))) {
          log('a replication channel is there no more; it is not started', { channel: gone });
        }
        for (const { name } of known.filter((c) => !c.applying)) {
          await session.run(session.words.channels.startApplier(name));
        }
        const still = (await readChannels(session)).filter((c) => channels.includes(c.name) && !c.applying);
        if (still.length === 0) return;
        last = still.map((c) => `'${c.name}' ${c.error || 'does not run'}`).join('; ');
      } finally {
        await session.close();
      }
    } catch (error) {
      last = (error as Error).message;
    }
    log('the applier does not run yet', { attempt, cause: last });
    await sleep(Math.min(200 * 2 ** attempt, 5000));
  }
  throw new NamedError(
    'Backup.ApplierNotRestarted',
    `starting the applier was tried ${startAttempts} times: ${last}; start it by hand`,
    { channels: channels.join(','), attempts: startAttempts },
  );
}

/** The channels of a member that apply now. */
export const applyingChannels = async (session: Session): Promise<string[]> =>
  (await readChannels(session)).filter((c) => c.applying).map((c) => c.name);

/** The applier of these channels, stopped for a backup and started again after it. */
export function makeApplier(channels: readonly string[], login: Login, log: Log): Applier {
  let since: number | undefined;
  let stood: number | undefined;
  return {
    stop: async (session) => {
      since = performance.now();
      for (const name of channels) {
        await session.run(session.words.channels.stopApplier(name), [], stopSeconds);
      }
      log('applier stopped', { channels: channels.join(',') });
    },
    start: async () => {
      if (since === undefined || stood !== undefined) return;
      await startChannels(login, channels, log);
      stood = (performance.now() - since) / 1000;
      log('applier started again', { seconds: stood });
    },
    seconds: () => stood ?? (since === undefined ? 0 : (performance.now() - since) / 1000),
  };
}
