import { z } from 'zod';
import type { ClusterDocument, Member } from '../../contract/records/cluster.ts';
import { checkResultSchema, type MemberInspection, protocolVersion } from '../../contract/records/job.ts';
import type { Policy } from '../../contract/records/policy.ts';
import { describeIssues } from '../log/lambda.ts';

/** What came of looking at one member: the answer of its check, or why there is none. */
export const inspectionSchema = z.union([
  z.object({ memberId: z.string(), result: checkResultSchema }),
  z.object({ memberId: z.string(), error: z.object({ name: z.string(), cause: z.string() }) }),
]);
export type Inspection = z.infer<typeof inspectionSchema>;

/**
 * What came of one member, as its host answered it: an answer that is none speaks against this member only, and keeps
 * no other of its cluster from being backed up.
 */
export function readInspection(value: unknown): Inspection[] {
  const read = inspectionSchema.safeParse(value);
  if (read.success) return [read.data];
  const named = z.object({ memberId: z.string() }).safeParse(value);
  if (!named.success) return [];
  const cause = `what its host answered is no result of a check: ${describeIssues(read.error)}`;
  return [{ memberId: named.data.memberId, error: { name: 'Input.Invalid', cause } }];
}

/** A member that may be backed up, or the sentences that say why not. */
export type Candidate = { member: Member; seen: MemberInspection };
export type Judged = { candidate: Candidate } | { memberId: string; reasons: string[] };

/** Runners of this protocol and the one before are understood, since runners roll slowly. */
const oldestProtocol = Math.max(1, protocolVersion - 1);

/** Engines and flavours whose backups this version can take. */
export const supportedKinds: readonly string[] = ['mysql/mariadb', 'mysql/mysql', 'mysql/percona'];

/** Decides whether one member may be backed up. Each reason is a sentence with its numbers. */
export function judgeMember(
  member: Member,
  cluster: Pick<ClusterDocument, 'engine' | 'flavour'>,
  inspection: Inspection | undefined,
  policy: Pick<Policy, 'maxReplicaLagSeconds' | 'method'>,
): Judged {
  const { memberId } = member;
  const not = (...reasons: string[]) => ({ memberId, reasons });
  const kind = `${cluster.engine}/${cluster.flavour}`;
  if (!supportedKinds.includes(kind)) {
    return not(`${kind} cannot be backed up by this version, which takes ${supportedKinds.join(', ')}`);
  }
  if (inspection === undefined) return not('it was not looked at');
  if ('error' in inspection)
    return not(`its check failed (${inspection.error.name}): ${inspection.error.cause}`);
  const { result } = inspection;
  if (result.protocol > protocolVersion || result.protocol < oldestProtocol) {
    return not(
      `its runner ${result.runnerVersion} speaks protocol ${result.protocol}; ${oldestProtocol} to ${protocolVersion} are understood`,
    );
  }
  const seen = result.member;
  if (seen === undefined) return not('its host answered without a word about the server');
  const reasons = [
    ...(seen.reachable ? [] : ['its server cannot be reached']),
    // A dump needs no tool that copies files.
    ...seen.ineligible.filter((why) => policy.method !== 'logical' || !seen.onlyPhysical?.includes(why)),
    ...(seen.toolVersion === null && policy.method !== 'logical'
      ? [`its host has no backup tool for server ${seen.serverVersion}`]
      : []),
    ...(seen.role === 'replica' && seen.lagSeconds === null ? ['its replication does not run'] : []),
    ...(seen.lagSeconds !== null && seen.lagSeconds > policy.maxReplicaLagSeconds
      ? [`it lags ${seen.lagSeconds} s behind, the policy takes ${policy.maxReplicaLagSeconds} s at most`]
      : []),
  ];
  return reasons.length > 0 ? not(...reasons) : { candidate: { member, seen } };
}

/** Replicas before others, the one with the least lag first; equals keep the order of the cluster's document. */
export function inOrderOfPreference(candidates: readonly Candidate[]): Candidate[] {
  const rank = ({ seen }: Candidate) => (seen.role === 'replica' ? 0 : 1);
  return candidates.toSorted(
    (a, b) => rank(a) - rank(b) || (a.seen.lagSeconds ?? 0) - (b.seen.lagSeconds ?? 0),
  );
}
