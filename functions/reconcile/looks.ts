import type { Executions } from '../clients/executions.ts';

/** Executions that are looked up one by one in a pass, before a list of all that run is asked for. */
export const lookedUpAtMost = 50;

/**
 * Looks of one pass at executions. DescribeExecution has a quota of 10 to 15 a second for the whole account: a fleet of
 * 5,000 that waits for its caps holds as many locks, and looking up their holders would take minutes. Beyond the first
 * looks one list answers for those that run; one that has closed since is seen to be in the next pass.
 */
export function looksOfPass(executions: Executions, machineArn: string): Executions {
  let looks = 0;
  let running: Promise<ReadonlySet<string>> | undefined;
  return {
    ...executions,
    async describe(executionArn) {
      if (looks++ >= lookedUpAtMost) {
        running ??= executions.running(machineArn);
        if ((await running).has(executionArn)) return { status: 'open' };
      }
      return executions.describe(executionArn);
    },
  };
}
