import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { limited } from '../../../functions/clients/limited.ts';
import { faultTest } from '../fault-test.ts';
import { countOutsideCalls, type Kind, kinds, type Strike, worthStriking } from './outside-calls.ts';
import { backup, restore, restoreOfChain, type Story } from './stories.ts';

// Thousands of functions log here what nobody reads.
beforeAll(() => void vi.spyOn(console, 'log').mockImplementation(() => undefined));
afterAll(() => void vi.restoreAllMocks());

/** Runs a story again for every strike; answers what was wrong at the end of each, none where all is well. */
async function sweep(
  story: Story,
  hit: () => void,
  which: readonly Kind[] = kinds,
): Promise<{ runs: number; wrongs: string[] }> {
  const happy = countOutsideCalls();
  const { from, to, wrongs } = await story(happy);
  const inPart = ({ first }: { first: number }) => first > from && first <= to;
  const strikes: { strike: Strike; what: string }[] = [
    ...worthStriking(happy, from, to).flatMap((at) =>
      which.map((kind) => ({ strike: { at, kind }, what: `call ${at}, ${happy.calls[at - 1]}, ${kind}` })),
    ),
    ...happy.invocations.flatMap((invocation, i) =>
      inPart(invocation)
        ? [{ strike: { invocation: i + 1 }, what: `invocation ${i + 1}, ${invocation.name}, is not heard` }]
        : [],
    ),
  ];
  await limited(strikes, 8, async ({ strike, what }) => {
    const calls = countOutsideCalls(strike, hit);
    const told = await story(calls);
    if (!calls.struck()) wrongs.push(`${what}: was not reached`);
    for (const wrong of told.wrongs) wrongs.push(`${what}: ${wrong}`);
  });
  return { runs: strikes.length, wrongs };
}

/**
 * Every outside call of every function on the way of a backup and of a restore, one run each: it fails, it hangs until
 * the function times out, it is done and its answer lost (to the function, to the client that repeats it, to the
 * machine that calls the function again). At the end of each run Reconcile has had its time, and then: the backup is
 * verified and recorded once, no lock, lease, pin, live job or waiting task is left, every stored object belongs to a
 * backup that is known, what failed has a name, and the next night works.
 */
describe('whatever call of control goes wrong', () => {
  faultTest(['k-th outside call'], 'a backup is recorded once and nothing is left', async (faults) => {
    const { runs, wrongs } = await sweep(backup('well'), () => faults.hit('k-th outside call'));
    await faults.endState(() => {
      expect(wrongs).toEqual([]);
      expect(runs).toBeGreaterThan(300);
    });
  });

  faultTest(
    ['k-th outside call'],
    'a restore ends by name or well, and the next one is done',
    async (faults) => {
      const { runs, wrongs } = await sweep(restore, () => faults.hit('k-th outside call'));
      await faults.endState(() => {
        expect(wrongs).toEqual([]);
        expect(runs).toBeGreaterThan(180);
      });
    },
  );

  // What only the way out has beyond the happy one: nobody answers for long, and everything is called twice.
  const some: Kind[] = [
    'fails, and so do the next two invocations of its function',
    'is done, then the function dies and is called again',
  ];
  faultTest(
    ['k-th outside call'],
    'a restore of a chain ends by name or well, and no link stays pinned',
    async (faults) => {
      const { runs, wrongs } = await sweep(restoreOfChain, () => faults.hit('k-th outside call'), some);
      await faults.endState(() => {
        expect(wrongs).toEqual([]);
        expect(runs).toBeGreaterThan(80);
      });
    },
  );

  for (const [end, atLeast] of [
    ['its tool fails', 300],
    ['it dies after its claim', 300],
    ['it dies after its manifest', 200],
  ] as const) {
    faultTest(
      ['k-th outside call'],
      'on the way out of a first attempt that failed, the slot is recorded once all the same',
      async (faults) => {
        const { runs, wrongs } = await sweep(backup(end), () => faults.hit('k-th outside call'), some);
        await faults.endState(() => {
          expect([end, ...wrongs]).toEqual([end]);
          expect(runs).toBeGreaterThan(atLeast);
        });
      },
    );
  }

  for (const [story, machine] of [
    [backup('well'), ':holdfast-backup:'],
    [restore, ':holdfast-restore:'],
  ] as const) {
    faultTest(
      ['execution stopped'],
      'or whose execution is stopped in any state, before and after its runner: the end is the same',
      async (faults) => {
        /** Stops the first execution of the machine at the k-th place; answers how many places there were. */
        const stopAt = async (k: number) => {
          let places = 0;
          let first: string | undefined;
          const stopsAt = (arn: string) => {
            if (!arn.includes(machine)) return false;
            first ??= arn;
            if (arn !== first || ++places !== k) return false;
            faults.hit('execution stopped');
            return true;
          };
          const { wrongs } = await story(countOutsideCalls(), { stopsAt });
          return { places, wrongs: wrongs.map((wrong) => `${machine} stopped at ${k}: ${wrong}`) };
        };
        const { places, wrongs } = await stopAt(0);
        for (let k = 1; k <= places; k++) wrongs.push(...(await stopAt(k)).wrongs);
        await faults.endState(() => {
          expect(wrongs).toEqual([]);
          expect(places).toBeGreaterThan(15);
        });
      },
    );
  }
});
