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

  const roomOf = (cap: number) => Math.min(cap, holdersAtMost);

  /**
   * A look before the write. A refused transaction costs two write units for each KB of a cap, of which its partition
   * has 1,000 a second: of a fleet of 5,000 that waits for 100 places, 83 in a second ask for a cap of 17 KB.
   */
  async function withoutRoom(execution: string, leases: readonly Lease[]): Promise<string[]> {
    const looked = await Promise.all(
      leases.map(async ({ name, cap }) => {
        const { holders } = capRecordSchema.parse((await table.get(key(name))) ?? key(name));
        return holders && !holders.has(execution) && holders.size >= roomOf(cap) ? [name] : [];
      }),
    );
    return looked.flat();
  }

  return {
    list,

    /** All caps or none. `full` names those without room; `conflict`: too many tried at once, nothing was taken. */
    async take(
      execution: string,
      leases: readonly Lease[],
    ): Promise<{ outcome: 'taken' } | { outcome: 'full'; names: string[] } | { outcome: 'conflict' }> {
      if (leases.length === 0) return { outcome: 'taken' };
      const full = await withoutRoom(execution, leases);
      if (full.length > 0) return { outcome: 'full', names: full };
      const answer = await transact(
        deps.client,
        leases.map(({ name, cap }) =>
          updateWrite(
            deps.table,
            key(name),
            { add: { holders: new Set([execution]) } },
            any(absent('holders'), holds('holders', execution), fewerThan('holders', roomOf(cap))),
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
