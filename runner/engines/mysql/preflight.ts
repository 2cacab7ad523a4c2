import type { BackupOrder, MemberInspection } from '../../../contract/records/job.ts';
import type { EngineContext, PreflightOutcome } from '../engine.ts';
import { inspectMember } from './inspect.ts';
import { otherOrigin } from './origin.ts';

/**
 * Looks once more, right before the tool would start, whether the order still fits: minutes or hours may have passed
 * since the plan's inspection (F18).
 */
export async function preflight(
  order: BackupOrder,
  context: EngineContext,
  spoolDirectory: string,
): Promise<PreflightOutcome> {
  const found = await inspectMember(
    { member: order.member, policy: order.policy, flavour: order.flavour },
    context,
    spoolDirectory,
  );
  const logical = order.plan.method === 'logical';
  const reasons = found.ineligible.filter((reason) => !logical || !found.onlyPhysical?.includes(reason));
  if (logical) reasons.push(...(found.logical?.refusals ?? []));
  if (found.reachable && found.role !== order.plan.role) {
    reasons.push(`it was a ${order.plan.role} when the backup was planned and is a ${found.role} now`);
  }
  const other = reasons.length === 0 ? otherMember(order, found) : undefined;
  if (other !== undefined) {
    return {
      outcome: 'refused',
      name: 'Backup.ChainBroken',
      cause: `member ${order.member.memberId}: ${other}`,
    };
  }
  if (reasons.length === 0) return { outcome: 'ready' };
  return {
    outcome: 'refused',
    name: found.reachable ? 'Member.Ineligible' : 'Member.LoginFailed',
    cause: `member ${order.member.memberId}: ${reasons.join('; ')}`,
  };
}

/** Why an incremental would not go on where its parent ends; undefined where it does, and for a full. */
function otherMember({ plan }: BackupOrder, found: MemberInspection): string | undefined {
  if (plan.level === 'full') return undefined;
  if (plan.increment === undefined) return 'the order of an incremental does not say from which LSN';
  const { serverUuid: uuid, serverId, datadir, files = '', serverVersion, toolVersion } = found;
  const origin = { uuid, serverId, datadir, files };
  return otherOrigin(plan.increment, { origin, serverVersion, toolVersion: toolVersion ?? '' });
}
