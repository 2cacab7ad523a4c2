import { z } from 'zod';
import { id, instant, mintedId, slotId } from '../../contract/records/ids.ts';
import { absent, all, any, equals, oneOf } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

const slotRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  slot: slotId,
  /** The attempt that is open or was closed last. */
  attempt: z.int().min(1),
  state: z.enum(['open', 'failed', 'recorded']),
  openedAt: instant,
  closedAt: instant.optional(),
  /** The one backup that is recorded for this slot; others are extras. */
  backupId: mintedId.optional(),
  error: z.object({ name: z.string(), cause: z.string() }).optional(),
});

/** One planned backup of one cluster and how far its attempts are. */
export type SlotRecord = z.infer<typeof slotRecordSchema>;

const key = (clusterId: string, slot: string) => ({ pk: `CLUSTER#${clusterId}`, sk: `SLOT#${slot}` });

/** Slots. Attempt 1 belongs to whoever creates the record; the next number is written only over a failed attempt. */
export function makeSlots(deps: TableDeps) {
  const table = makeTable(deps);

  async function get(clusterId: string, slot: string): Promise<SlotRecord | undefined> {
    const item = await table.get(key(clusterId, slot));
    return item && slotRecordSchema.parse(item);
  }

  async function existing(clusterId: string, slot: string): Promise<SlotRecord> {
    const record = await get(clusterId, slot);
    if (record === undefined) throw new Error(`slot ${slot} of ${clusterId} vanished from the catalog`);
    return record;
  }

  return {
    get,

    /** Creates the record with attempt 1 open, or answers the one that is there (F45). */
    async open(
      clusterId: string,
      slot: string,
      openedAt: string,
    ): Promise<{ outcome: 'opened' | 'exists'; record: SlotRecord }> {
      const record: SlotRecord = { v: 1, clusterId, slot, attempt: 1, state: 'open', openedAt };
      const created = await table.put({ ...record, ...key(clusterId, slot) }, absent('pk'));
      if (created) return { outcome: 'opened', record };
      return { outcome: 'exists', record: await existing(clusterId, slot) };
    },

    /** Opens the attempt after `attempt`, only where that one is closed as failed; otherwise answers the record as it is. */
    async openNext(
      clusterId: string,
      slot: string,
      attempt: number,
      openedAt: string,
    ): Promise<{ outcome: 'opened' | 'changed'; record: SlotRecord }> {
      const after = await table.update(
        key(clusterId, slot),
        { set: { attempt: attempt + 1, state: 'open', openedAt }, remove: ['closedAt', 'error'] },
        all(equals('attempt', attempt), equals('state', 'failed')),
      );
      if (after !== undefined) return { outcome: 'opened', record: slotRecordSchema.parse(after) };
      return { outcome: 'changed', record: await existing(clusterId, slot) };
    },

    /** Closes the open attempt as failed; `left` when it is not the open one (closed before, or a later one runs). */
    async fail(
      clusterId: string,
      slot: string,
      attempt: number,
      error: { name: string; cause: string },
      closedAt: string,
    ): Promise<{ outcome: 'closed' | 'left' }> {
      const after = await table.update(
        key(clusterId, slot),
        { set: { state: 'failed', error, closedAt } },
        all(equals('attempt', attempt), equals('state', 'open')),
      );
      return { outcome: after === undefined ? 'left' : 'closed' };
    },

    /**
     * Notes the backup as the slot's own, whatever its attempts are; `extra` when the slot has another already.
     * Makes the record where there is none (a slot that was rebuilt away). Twice with the same backup is the same answer.
     */
    async recordBackup(
      clusterId: string,
      slot: string,
      attempt: number,
      backupId: string,
      closedAt: string,
    ): Promise<{ outcome: 'recorded' } | { outcome: 'extra'; backupId: string }> {
      const record: SlotRecord = {
        v: 1,
        clusterId,
        slot,
        attempt,
        state: 'recorded',
        openedAt: closedAt,
        closedAt,
        backupId,
      };
      const created = await table.put({ ...record, ...key(clusterId, slot) }, absent('pk'));
      if (created) return { outcome: 'recorded' };
      const after = await table.update(
        key(clusterId, slot),
        { set: { state: 'recorded', backupId, closedAt }, remove: ['error'] },
        any(oneOf('state', ['open', 'failed']), equals('backupId', backupId)),
      );
      if (after !== undefined) return { outcome: 'recorded' };
      return { outcome: 'extra', backupId: (await existing(clusterId, slot)).backupId ?? '' };
    },

    /** Slots of a cluster at or after `since`, oldest first. */
    async list(clusterId: string, since: string): Promise<SlotRecord[]> {
      const items = await table.query(`CLUSTER#${clusterId}`, { prefix: 'SLOT#', from: since });
      return items.map((item) => slotRecordSchema.parse(item));
    },
  };
}

export type Slots = ReturnType<typeof makeSlots>;
