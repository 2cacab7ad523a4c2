import { z } from 'zod';
import { id, mintedId, slotId } from '../../contract/records/ids.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Slots } from '../catalog/slot.ts';
import { makeLambda } from '../log/lambda.ts';

export type RecordFailureAnswer = {
  outcome: 'recorded';
  /** `left`: the backup had receipts or was closed before; it stays as it is. */
  backup: 'ended' | 'left' | 'none';
  slot: 'closed' | 'left' | 'none';
};

export type RecordFailureDeps = {
  backups: Pick<Backups, 'end'>;
  slots: Pick<Slots, 'fail'>;
  now: () => Date;
};

/** A cause in the catalog is read in lists: the whole text stays in the execution's history. */
const causeLength = 2_000;

/** Closes a failed attempt: the backup that was running, if one was, and the slot's open attempt. Twice is harmless. */
export function makeHandler(deps: RecordFailureDeps) {
  return makeLambda<typeof event, RecordFailureAnswer>({
    name: 'record-failure',
    event,
    onInvalid: 'throw',
    handle: async ({ clusterId, backupId, slot, attempt, error }) => {
      const short = { name: error.name, cause: error.cause.slice(0, causeLength).toWellFormed() };
      const at = deps.now().toISOString();
      const backup =
        backupId === null ? undefined : await deps.backups.end(clusterId, backupId, 'failed', short);
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
