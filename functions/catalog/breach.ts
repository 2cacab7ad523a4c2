import { z } from 'zod';
import { readStored } from '../../contract/formats/codec.ts';
import { id, instant } from '../../contract/records/ids.ts';
import { absent, all, equals } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

/** What can be wrong with a cluster's protection; each has an alarm and a section of the runbook. */
export const breachKinds = ['overdue', 'failed', 'lost', 'suspect', 'unclaimed'] as const;

export const breachRecordSchema = z.object({
  v: z.literal(1),
  clusterId: id,
  kind: z.enum(breachKinds),
  /**
   * `beginning`: found, and the topic has not confirmed to have been told. `open`: told. `clearing`: over, and the topic
   * has not confirmed to have been told. A breach that is over and told has no record.
   */
  state: z.enum(['beginning', 'open', 'clearing']),
  since: instant,
  /** When the pass that tells it took it upon itself. */
  claimedAt: instant,
  /** Of one that is over: when, and why. */
  clearedAt: instant.optional(),
  why: z.string().optional(),
});

export type BreachKind = (typeof breachKinds)[number];
export type BreachRecord = z.infer<typeof breachRecordSchema>;

type Named = Pick<BreachRecord, 'clusterId' | 'kind'>;
const key = ({ clusterId, kind }: Named) => ({ pk: 'BREACH', sk: `${clusterId}#${kind}` });

/**
 * Breaches, one record per cluster and kind. Every step is conditional on the one before it, so that of two passes at
 * once only one goes on to tell.
 */
export function makeBreaches(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    async list(): Promise<BreachRecord[]> {
      const items = await table.query('BREACH');
      return items.map((item) => readStored(breachRecordSchema, 'breach record', item));
    },

    /** Notes that it begins; false when it is noted already. Whoever gets true tells. */
    begin: (breach: Named, at: string): Promise<boolean> => {
      const { clusterId, kind } = breach;
      const record: BreachRecord = {
        v: 1,
        clusterId,
        kind,
        state: 'beginning',
        since: at,
        claimedAt: at,
      };
      return table.put({ ...record, ...key(breach) }, absent('pk'));
    },

    /** Notes that an open one is over; false when it is not open any more. Whoever gets true tells. */
    async clear(seen: BreachRecord, at: string, why: string): Promise<boolean> {
      const after = await table.update(
        key(seen),
        { set: { state: 'clearing', claimedAt: at, clearedAt: at, why } },
        all(equals('since', seen.since), equals('state', 'open')),
      );
      return after !== undefined;
    },

    /** Takes over the telling from a pass that never confirmed it; false when another one has. */
    async claim(seen: BreachRecord, at: string): Promise<boolean> {
      const after = await table.update(
        key(seen),
        { set: { claimedAt: at } },
        all(equals('since', seen.since), equals('state', seen.state), equals('claimedAt', seen.claimedAt)),
      );
      return after !== undefined;
    },

    /** The topic has confirmed: one that began is open, one that is over has no record. Twice is harmless. */
    async told(seen: Named & Pick<BreachRecord, 'since' | 'state'>): Promise<void> {
      const same = all(equals('since', seen.since), equals('state', seen.state));
      if (seen.state === 'clearing') await table.remove(key(seen), same);
      else await table.update(key(seen), { set: { state: 'open' } }, same);
    },
  };
}

export type Breaches = ReturnType<typeof makeBreaches>;
