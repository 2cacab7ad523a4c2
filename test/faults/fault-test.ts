import { expect, test } from 'vitest';

/** `F01`–`F81` of docs/faults.md, a trap's number (`M06`), or in words a fault that has none (`wrong region`). */
export type Fault = string;

export type Faults = {
  /** Called by the injected fault itself, where it strikes. */
  hit: (fault: Fault) => void;
  /** What is left after every planned fault has struck. Must assert something. */
  endState: (check: () => void | Promise<void>) => Promise<void>;
};

/**
 * Runs what injects the planned faults and looks at the end state. Throws where a planned fault was not hit before the
 * end state was looked at, where one is hit that was not planned, and where no end state was asserted.
 */
export async function underFaults(
  planned: readonly Fault[],
  run: (faults: Faults) => Promise<void>,
): Promise<void> {
  const unhit = new Set(planned);
  let looked = false;
  if (unhit.size === 0) throw new Error('no fault is planned');
  await run({
    hit: (fault) => {
      if (!planned.includes(fault)) throw new Error(`${fault} was hit and is not planned`);
      unhit.delete(fault);
    },
    endState: async (check) => {
      if (unhit.size > 0) throw new Error(`${[...unhit].join(', ')} was planned and not hit`);
      const before = expect.getState().assertionCalls;
      await check();
      if (expect.getState().assertionCalls === before) throw new Error('the end state was not asserted');
      looked = true;
    },
  });
  if (!looked) throw new Error('no end state was looked at');
}

/** A test that covers faults. `npm run faults` finds it by this call, so `planned` is written out in it. */
export function faultTest(
  planned: readonly Fault[],
  sentence: string,
  run: (faults: Faults) => Promise<void>,
  timeoutMs?: number,
): void {
  test(`${planned.join(', ')} ${sentence}`, { ...(timeoutMs ? { timeout: timeoutMs } : {}) }, () =>
    underFaults(planned, run),
  );
}
