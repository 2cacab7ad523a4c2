import { z } from 'zod';
import { id, mintedId } from '../../contract/records/ids.ts';
import { type LogOrder, logOrderSchema } from '../../contract/records/log-order.ts';
import type { Backups } from '../catalog/backup.ts';
import { chainOf } from '../catalog/chain.ts';
import type { Locks } from '../catalog/lock.ts';
import type { Pins } from '../catalog/pin.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import { pinUntil } from './pin-time.ts';

export type HoldRestoreDeps = {
  locks: Pick<Locks, 'take' | 'release'>;
  pins: Pick<Pins, 'put' | 'release'>;
  backups: Pick<Backups, 'list'>;
  now: () => Date;
};

/** The stretch of the log that is read: retention keeps every segment between the two. */
const segmentsOf = (log: LogOrder | null | undefined) =>
  log
    ? { log: { set: log.set, timeline: log.timeline, first: log.first, last: log.ends[0]?.key ?? log.first } }
    : {};

/**
 * "Lock the target and pin the backup". The backup and every link of its chain are looked at again once they are pinned (F64): retention re-checks
 * pins before it deletes, so what is still there after the pin stays. Twice by one execution is the same answer.
 */
export const makeHandler = (deps: HoldRestoreDeps) =>
  makeLambda({
    name: 'hold-restore',
    event: z.object({
      execution: z.string(),
      lock: z.string().min(1),
      clusterId: id,
      backupId: mintedId,
      log: logOrderSchema.nullish(),
    }),
    onInvalid: 'refuse',
    handle: async ({ execution, lock, clusterId, backupId, log }): Promise<{ outcome: 'held' } | Refused> => {
      const now = deps.now();
      const taken = await deps.locks.take(lock, execution, now.toISOString());
      if (taken.outcome === 'busy') {
        return refused(
          'Restore.TargetBusy',
          `target: ${lock} is held by ${taken.holder ?? 'another execution'} since ${taken.since ?? 'a moment ago'}; wait for it, stop it, or name another directory`,
          { field: 'target.directory', value: lock, holder: taken.holder },
        );
      }
      const links = async () => {
        const backups = await deps.backups.list(clusterId);
        const backup = backups.find((known) => known.backupId === backupId);
        return { backup, chain: backup && chainOf(backup, backups) };
      };
      const until = pinUntil(now).toISOString();
      const planned = await links();
      const pinned = planned.chain?.outcome === 'whole' ? planned.chain.links : [{ backupId }];
      for (const link of pinned) {
        const pin = { clusterId, backupId: link.backupId, execution };
        await deps.pins.put({ v: 1, ...pin, since: now.toISOString(), until, ...segmentsOf(log) });
      }
      const { backup, chain } = await links();
      const good = backup && ['verified', 'proven', 'suspect'].includes(backup.state);
      if (good && chain?.outcome === 'whole') return { outcome: 'held' };
      for (const link of pinned) await deps.pins.release({ clusterId, backupId: link.backupId, execution });
      await deps.locks.release(lock, execution);
      const became =
        good && chain?.outcome === 'broken'
          ? `cannot be restored any more, since ${chain.why},`
          : `became ${backup?.state ?? 'unknown'}`;
      return refused(
        'Backup.NotRestorable',
        `backupId: ${backupId} ${became} while the restore was planned; choose another`,
        { field: 'backupId', value: backupId },
      );
    },
  });
