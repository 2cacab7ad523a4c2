import { z } from 'zod';
import { id, mintedId, slotId } from '../../contract/records/ids.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Slots } from '../catalog/slot.ts';
import { makeLambda } from '../log/lambda.ts';

export type RecordFailureAnswer = {
  outcome: 'recorded';
  /** `left`: the backup had receipts or was closed before; it stays as it is. */
  backup: 'ended' | 'left' | 'none';
  slot: 'closed' | 'left' | 'none';
};

export type RecordFailureDeps = {
  backups: Pick<Backups, 'end' | 'get'>;
  clusters: Pick<Clusters, 'order'>;
  slots: Pick<Slots, 'fail'>;
  now: () => Date;
};

/** A cause in the catalog is read in lists: the whole text stays in the execution's history. */
const causeLength = 2_000;

/** What an execution's input takes as a reason. */
const reasonLength = 500;

/**
 * Closes a failed attempt: the backup that was running, if one was, and the slot's open attempt. A chain that broke
 * orders a full, whose time is that of the cause. Twice is harmless.
 */
export function makeHandler(deps: RecordFailureDeps) {
  async function orderFull(clusterId: string, backupId: string, cause: string): Promise<boolean> {
    const broken = await deps.backups.get(clusterId, backupId);
    if (broken?.state !== 'failed') return false;
    const reason = `the chain broke: ${cause}`.slice(0, reasonLength).toWellFormed();
    return deps.clusters.order(clusterId, { level: 'full', reason, at: broken.startedAt });
  }

  return makeLambda<typeof event, RecordFailureAnswer>({
    name: 'record-failure',
    event,
    onInvalid: 'throw',
    handle: async ({ clusterId, backupId, slot, attempt, error }, log) => {
      const short = { name: error.name, cause: error.cause.slice(0, causeLength).toWellFormed() };
      const at = deps.now().toISOString();
      const backup =
        backupId === null ? undefined : await deps.backups.end(clusterId, backupId, 'failed', short);
      if (backupId !== null && short.name === 'Backup.ChainBroken') {
        log.info('a chain broke', { backupId, ordered: await orderFull(clusterId, backupId, short.cause) });
      }
      const closed = slot === null ? undefined : await deps.slots.fail(clusterId, slot, attempt, short, at);
      return { outcome: 'recorded', backup: backup?.outcome ?? 'none', slot: closed?.outcome ?? 'none' };
    },
  });
}

const event = z.object({
  execution: z.string().min(1),
  clusterId: id,
  slot: slotId.nullable(),
  attempt: z.int().min(1),
  backupId: mintedId.nullable(),
  error: z.object({ name: z.string(), cause: z.string() }),
});
