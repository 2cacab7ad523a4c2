import type { Policy } from '../../contract/records/policy.ts';

/**
 * The policy as runners of releases before read it, which refuse a key that they do not know: without what a plan says
 * to those that do.
 */
export function withoutPlanned(policy: Policy): Policy {
  if (policy.xtrabackup === undefined) return policy;
  const { fifoStreams: _, ...xtrabackup } = policy.xtrabackup;
  return { ...policy, xtrabackup };
}

/**
 * The same for a runner of the release before, which knows one method and refuses the word of another. For checks,
 * which do not look at the method, and for orders whose plan names the one that every runner has.
 */
export const forOlderRunners = (policy: Policy): Policy => ({
  ...withoutPlanned(policy),
  method: 'physical',
});
