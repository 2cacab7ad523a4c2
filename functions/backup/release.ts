import { z } from 'zod';
import { id, mintedId } from '../../contract/records/ids.ts';
import { type Leases, leaseSchema } from '../catalog/lease.ts';
import type { Locks } from '../catalog/lock.ts';
import type { Pins } from '../catalog/pin.ts';
import { makeLambda } from '../log/lambda.ts';

export type ReleaseDeps = {
  locks: Pick<Locks, 'release'>;
  leases: Pick<Leases, 'release' | 'heldBy'>;
  pins: Pick<Pins, 'release' | 'ofExecution'>;
};

/**
 * Gives back what an execution holds: caps (those named, else whatever it holds), its pins, and the lock last, so
 * that nobody works beside what is still held. Twice is harmless; what belongs to another is left alone.
 */
export function makeHandler(deps: ReleaseDeps) {
  return makeLambda<typeof event, { outcome: 'released' }>({
    name: 'release',
    event,
    onInvalid: 'throw',
    handle: async ({ execution, lock, leases, pin }) => {
      const names = leases?.map((lease) => lease.name) ?? (await deps.leases.heldBy(execution));
      await deps.leases.release(execution, names);
      if (pin) {
        // A chain has a pin on every link.
        const held = await deps.pins.ofExecution(pin.clusterId, execution);
        for (const each of [{ ...pin, execution }, ...held]) await deps.pins.release(each);
      }
      await deps.locks.release(lock, execution);
      return { outcome: 'released' };
    },
  });
}

const event = z.object({
  execution: z.string().min(1),
  lock: z.string().min(1),
  leases: z.array(leaseSchema).nullish(),
  pin: z.object({ clusterId: id, backupId: mintedId }).nullish(),
});
