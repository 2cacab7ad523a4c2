import { z } from 'zod';
import { absent, any, fewerThan, holds, present } from './condition.ts';
import { makeTable, type TableDeps, transact, updateWrite } from './table.ts';

/** One cap to take: its name (`fleet`, `site:<site>`, `physical-host:<id>`) and how many may hold it at once. */
export const leaseSchema = z.object({ name: z.string().min(1), cap: z.int().min(1) });
export type Lease = z.infer<typeof leaseSchema>;

const capRecordSchema = z.object({ sk: z.string(), holders: z.set(z.string()).optional() });

/** A cap and the ARNs of the executions that hold it. */
export type CapRecord = { name: string; holders: string[] };

/**
 * An item may have 400 KB, and the ARN of one of our executions has up to 170 bytes (account, region, the
 * machine's name, 60 of the execution's own): 2,000 holders are 340 KB. Caps beyond that count as this.
 */
export const holdersAtMost = 2_000;

const key = (name: string) => ({ pk: 'CAP', sk: name });

/** Caps as sets of holders, not counters: taking twice and releasing twice are harmless. */
export function makeLeases(deps: TableDeps) {
  const table = makeTable(deps);

  async function list(): Promise<CapRecord[]> {
    const records = (await table.query('CAP')).map((item) => capRecordSchema.parse(item));
    return records.map(({ sk, holders }) => ({ name: sk, holders: [...(holders ?? [])].sort() }));
  }

  return {
    list,

    /** All caps or none. `full` names those without room; `conflict`: too many tried at once, nothing was taken. */
    async take(
      execution: string,
      leases: readonly Lease[],
    ): Promise<{ outcome: 'taken' } | { outcome: 'full'; names: string[] } | { outcome: 'conflict' }> {
      if (leases.length === 0) return { outcome: 'taken' };
      const answer = await transact(
        deps.client,
        leases.map(({ name, cap }) =>
          updateWrite(
            deps.table,
            key(name),
            { add: { holders: new Set([execution]) } },
            any(
              absent('holders'),
              holds('holders', execution),
              fewerThan('holders', Math.min(cap, holdersAtMost)),
            ),
          ),
        ),
      );
      if (answer.outcome === 'written') return { outcome: 'taken' };
      if (answer.outcome === 'conflict') return answer;
      return { outcome: 'full', names: answer.places.map((place) => leases[place]!.name) };
    },

    /** Gives the named caps back; what is not held is left alone. */
    async release(execution: string, names: readonly string[]): Promise<void> {
      for (const name of names) {
        await table.update(key(name), { take: { holders: new Set([execution]) } }, present('pk'));
      }
    },

    /** Names of the caps this execution holds. */
    async heldBy(execution: string): Promise<string[]> {
      return (await list()).filter((cap) => cap.holders.includes(execution)).map((cap) => cap.name);
    },
  };
}

export type Leases = ReturnType<typeof makeLeases>;
