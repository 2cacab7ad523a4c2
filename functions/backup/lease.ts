import { z } from 'zod';
import { instant } from '../../contract/records/ids.ts';
import { type Leases, leaseSchema } from '../catalog/lease.ts';
import { makeLambda, type Refused } from '../log/lambda.ts';

export type LeaseAnswer =
  | { outcome: 'taken' }
  | { outcome: 'wait'; seconds: number }
  | { outcome: 'full'; error: Refused['error'] };

/** No pause between two tries is shorter: a day's window (the longest) has 1,920 tries at most. */
export const shortestPauseSeconds = 45;

/**
 * Seconds until the next try, 45 to 75: the tries of a fleet do not march in step, and those of one execution stay
 * below the 25,000 events that its history may have (F56).
 */
export const pauseSeconds = (random: () => number): number =>
  shortestPauseSeconds + Math.floor(random() * 31);

/** After a conflict there may well be room: 1 to 5 seconds. */
export const conflictSeconds = (random: () => number): number => 1 + Math.floor(random() * 5);

/** Tries after a conflict within one call, where they cost the history nothing: 30 s in all, of the function's 50. */
const triesAfterConflict = 5;

export type LeaseDeps = {
  leases: Pick<Leases, 'take'>;
  now: () => Date;
  random: () => number;
  sleep: (ms: number) => Promise<void>;
};

/** Takes all caps or none. What does not fit is tried again until the window of the policy ends. */
export function makeHandler(deps: LeaseDeps) {
  return makeLambda<typeof event, LeaseAnswer>({
    name: 'lease',
    event,
    onInvalid: 'throw',
    handle: async ({ execution, leases, waitUntil }) => {
      let answer = await deps.leases.take(execution, leases);
      for (let i = 0; answer.outcome === 'conflict' && i < triesAfterConflict; i++) {
        await deps.sleep(conflictSeconds(deps.random) * 1000);
        answer = await deps.leases.take(execution, leases);
      }
      if (answer.outcome === 'taken') return answer;
      const seconds = Math.ceil((Date.parse(waitUntil) - deps.now().getTime()) / 1000);
      if (seconds <= 0) {
        const names = answer.outcome === 'full' ? answer.names : leases.map((lease) => lease.name);
        const caps = leases.filter((l) => names.includes(l.name)).map((l) => `${l.name} (${l.cap} at once)`);
        const cause = `no room within the window, which ended ${waitUntil}: ${caps.join(', ')}`;
        return { outcome: 'full', error: { name: 'Capacity.Full', cause } };
      }
      return { outcome: 'wait', seconds: Math.min(pauseSeconds(deps.random), seconds) };
    },
  });
}

const event = z.object({
  execution: z.string().min(1),
  leases: z.array(leaseSchema).max(20),
  waitUntil: instant,
});
