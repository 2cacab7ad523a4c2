import type { Policy } from '../../contract/records/policy.ts';

/**
 * The policy as a runner of the release before reads it, which knows one method and refuses the word of another. For
 * checks, which do not look at the method, and for orders whose plan names the one that every runner has.
 */
export const forOlderRunners = (policy: Policy): Policy => ({ ...policy, method: 'physical' });
