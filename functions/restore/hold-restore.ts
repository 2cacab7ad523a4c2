import { z } from 'zod';
import { id, mintedId } from '../../contract/records/ids.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Locks } from '../catalog/lock.ts';
import type { Pins } from '../catalog/pin.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import { pinUntil } from './pin-time.ts';

export type HoldRestoreDeps = {
  locks: Pick<Locks, 'take' | 'release'>;
  pins: Pick<Pins, 'put' | 'release'>;
  backups: Pick<Backups, 'get'>;
  now: () => Date;
};

/**
 * "Lock the target and pin the backup". The backup is looked at again once it is pinned (F64): retention re-checks
 * pins before it deletes, so what is still there after the pin stays. Twice by one execution is the same answer.
 */
export const makeHandler = (deps: HoldRestoreDeps) =>
  makeLambda({
    name: 'hold-restore',
    event: z.object({ execution: z.string(), lock: z.string().min(1), clusterId: id, backupId: mintedId }),
    onInvalid: 'refuse',
    handle: async ({ execution, lock, clusterId, backupId }): Promise<{ outcome: 'held' } | Refused> => {
      const now = deps.now();
      const taken = await deps.locks.take(lock, execution, now.toISOString());
      if (taken.outcome === 'busy') {
        return refused(
          'Restore.TargetBusy',
          `target: ${lock} is held by ${taken.holder ?? 'another execution'} since ${taken.since ?? 'a moment ago'}; wait for it, stop it, or name another directory`,
          { field: 'target.directory', value: lock, holder: taken.holder },
        );
      }
      const pin = { clusterId, backupId, execution };
      await deps.pins.put({ v: 1, ...pin, since: now.toISOString(), until: pinUntil(now).toISOString() });
      const backup = await deps.backups.get(clusterId, backupId);
      if (backup && ['verified', 'proven', 'suspect'].includes(backup.state)) return { outcome: 'held' };
      await deps.pins.release(pin);
      await deps.locks.release(lock, execution);
      return refused(
        'Backup.NotRestorable',
        `backupId: ${backupId} became ${backup?.state ?? 'unknown'} while the restore was planned; choose another`,
        { field: 'backupId', value: backupId },
      );
    },
  });
