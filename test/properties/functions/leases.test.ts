import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeMemoryCatalog } from '../../doubles/memory-catalog.ts';

const executions = ['arn:e0', 'arn:e1', 'arn:e2', 'arn:e3', 'arn:e4'];
const caps: Readonly<Record<string, number>> = { fleet: 3, 'site:frankfurt': 2, 'physical-host:a': 1 };
const names = fc.subarray(Object.keys(caps), { minLength: 1 });
const steps = fc.array(
  fc.record({
    execution: fc.constantFrom(...executions),
    names,
    release: fc.boolean(),
    twice: fc.boolean(),
  }),
  { maxLength: 40 },
);

describe('leases', () => {
  it('never hold more than a cap, are all or none, and releasing twice changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const { leases } = makeMemoryCatalog();
        for (const step of taken) {
          const before = await leases.heldBy(step.execution);
          if (step.release) {
            await leases.release(step.execution, step.names);
            const once = await leases.list();
            if (step.twice) await leases.release(step.execution, step.names);
            expect(await leases.list()).toEqual(once);
          } else {
            const wanted = step.names.map((name) => ({ name, cap: caps[name]! }));
            const answer = await leases.take(step.execution, wanted);
            const after = await leases.heldBy(step.execution);
            const all = [...new Set([...before, ...step.names])].sort();
            expect(after.sort()).toEqual(answer.outcome === 'taken' ? all : before.sort());
          }
          for (const { name, holders } of await leases.list()) {
            expect(holders.length).toBeLessThanOrEqual(caps[name]!);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
