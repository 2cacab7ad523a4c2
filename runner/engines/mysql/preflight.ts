import type { BackupOrder } from '../../../contract/records/job.ts';
import type { EngineContext, PreflightOutcome } from '../engine.ts';
import { inspectMember } from './inspect.ts';

/**
 * Looks once more, right before the tool would start, whether the order still fits: minutes or hours may have passed
 * since the plan's inspection (F18).
 */
export async function preflight(
  order: BackupOrder,
  context: EngineContext,
  spoolDirectory: string,
): Promise<PreflightOutcome> {
  if (order.plan.level === 'incremental') {
    return {
      outcome: 'refused',
      name: 'Runner.VersionUnsupported',
      cause: `plan.level: an incremental was ordered; this runner takes full backups only`,
    };
  }
  const found = await inspectMember({ member: order.member, policy: order.policy }, context, spoolDirectory);
  const reasons = [...found.ineligible];
  if (order.plan.method === 'logical') reasons.push(...(found.logical?.refusals ?? []));
  if (found.reachable && found.role !== order.plan.role) {
    reasons.push(`it was a ${order.plan.role} when the backup was planned and is a ${found.role} now`);
  }
  if (reasons.length === 0) return { outcome: 'ready' };
  return {
    outcome: 'refused',
    name: found.reachable ? 'Member.Ineligible' : 'Member.LoginFailed',
    cause: `member ${order.member.memberId}: ${reasons.join('; ')}`,
  };
}
