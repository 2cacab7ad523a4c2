import { type AgentReport, agentLostSeconds, type SetReport } from '../../contract/records/agent.ts';
import type { Member } from '../../contract/records/cluster.ts';
import type { ArchiveRecord } from '../catalog/archive.ts';

/** A member of a set and what its host's agent last said of it. */
export type SeenMember = {
  member: Member;
  at: string | undefined;
  /** When its agent was started. */
  startedAt: string | undefined;
  report: SetReport | undefined;
};

/** What is to be done about who archives. */
export type Choice =
  | { outcome: 'keep' }
  /** A new timeline; `broke`: why the one before cannot go on. */
  | { outcome: 'open'; member: Member; broke: { kind: 'gap' | 'dead-branch'; reason: string } | null }
  /** The same timeline by another member. */
  | { outcome: 'move'; member: Member; reason: string }
  | { outcome: 'nobody'; reason: string };

/** An archiver in trouble keeps its work for so long: a server that restarts is back by then. */
const patienceSeconds = 300;

const ageSeconds = (instant: string, now: Date) => (now.getTime() - Date.parse(instant)) / 1000;

/** Of a server that no agent has seen yet there is no version. */
const unseen = ({ reachable, serverVersion }: SetReport): boolean => !reachable && serverVersion === '';

/** What the report of an agent says of one member. */
export const setReportOf = (
  report: AgentReport | undefined,
  clusterId: string,
  { memberId, set }: Pick<Member, 'memberId' | 'set'>,
): SetReport | undefined =>
  report?.sets.find((of) => of.clusterId === clusterId && of.set === set && of.memberId === memberId);

/** Why a member cannot archive now; undefined where it can. */
export function whyUnfit({ member, at, report }: SeenMember, now: Date): string | undefined {
  if (at === undefined) return `${member.memberId}: no agent of host ${member.hostId} has reported`;
  if (ageSeconds(at, now) > agentLostSeconds) return `${member.memberId}: the agent is silent since ${at}`;
  if (report === undefined) return `${member.memberId}: its agent has not looked at it yet`;
  if (!report.reachable)
    return `${member.memberId}: ${report.archive?.reason || 'the server cannot be reached'}`;
  return report.unfit.length > 0 ? `${member.memberId}: ${report.unfit.join('; ')}` : undefined;
}

/** The member whose log is first hand comes first: what a replica has not yet applied is in no log of its. */
const byRole = (a: SeenMember, b: SeenMember) => {
  const rank = ({ report }: SeenMember) => (report?.role === 'replica' ? 1 : 0);
  return rank(a) - rank(b) || (a.member.memberId < b.member.memberId ? -1 : 1);
};

/**
 * Decides who archives a set (M01): one member at a time, which writes its own log. A member in trouble is replaced once
 * that has lasted and another one can; a gap or a dead branch begins a new timeline.
 */
export function chooseArchiver(
  record: ArchiveRecord | undefined,
  seen: readonly SeenMember[],
  now: Date,
): Choice {
  const fit = seen.filter((of) => whyUnfit(of, now) === undefined).toSorted(byRole);
  const reasons = () => seen.map((of) => whyUnfit(of, now)).filter((why) => why !== undefined);
  const best = fit[0]?.member;
  if (record === undefined) {
    // Agents that were asked for together report one after the other, and before they have looked at their servers: the
    // primary's word is waited for.
    const silent = seen.some(({ at, report }) => at === undefined || !report || unseen(report));
    const young = ageSeconds(fit[0]?.startedAt ?? now.toISOString(), now) < patienceSeconds;
    if (fit[0]?.report?.role === 'replica' && silent && young) {
      return { outcome: 'nobody', reason: `${reasons().join('; ')}: waited for` };
    }
    return best
      ? { outcome: 'open', member: best, broke: null }
      : { outcome: 'nobody', reason: reasons().join('; ') };
  }
  const current = seen.find(({ member }) => member.memberId === record.memberId);
  const said = current?.report?.archive;
  const own = said?.timeline === record.timeline && said.epoch === record.epoch ? said : undefined;
  if (own && (own.state === 'gap' || own.state === 'dead-branch') && best) {
    return { outcome: 'open', member: best, broke: { kind: own.state, reason: own.reason } };
  }
  const trouble = current ? whyUnfit(current, now) : `${record.memberId} is no member any more`;
  if (trouble === undefined) return { outcome: 'keep' };
  const quiet = [record.since, record.durableAt ?? record.since].toSorted().at(-1)!;
  if (current && ageSeconds(quiet, now) < patienceSeconds) return { outcome: 'keep' };
  return best ? { outcome: 'move', member: best, reason: trouble } : { outcome: 'nobody', reason: trouble };
}
