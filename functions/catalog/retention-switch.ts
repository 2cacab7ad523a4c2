import { z } from 'zod';
import { instant } from '../../contract/records/ids.ts';
import { absent, equals } from './condition.ts';
import { makeTable, type TableDeps } from './table.ts';

const offSchema = z.object({ v: z.literal(1), since: instant, why: z.string() });

/** Why nothing is deleted, and since when. */
export type RetentionOff = z.infer<typeof offSchema>;

const key = { pk: 'RETENTION', sk: 'OFF' };

/** Retention is on unless this record says otherwise: a catalog that was rebuilt is not trusted with deleting. */
export function makeRetentionSwitch(deps: TableDeps) {
  const table = makeTable(deps);
  return {
    async get(): Promise<RetentionOff | undefined> {
      const item = await table.get(key);
      return item && offSchema.parse(item);
    },

    /** Off from here on; where it is off already, the first time and reason stay. */
    async turnOff(since: string, why: string): Promise<void> {
      await table.put({ v: 1, since, why, ...key }, absent('pk'));
    },

    /** On again, on the word of somebody who names the time since when it is off; false where that is not it. */
    turnOn: (since: string): Promise<boolean> => table.remove(key, equals('since', since)),
  };
}

export type RetentionSwitch = ReturnType<typeof makeRetentionSwitch>;
