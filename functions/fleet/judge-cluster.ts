import { canonicalJson } from '../../contract/formats/codec.ts';
import type { ClusterDocument, ClusterRecord } from '../../contract/records/cluster.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import type { Policy } from '../../contract/records/policy.ts';
import { supportedKinds } from '../backup/member.ts';
import type { CheckOutcome } from './check-hosts.ts';

/** What the catalog and the settings say about a document before any host is asked. */
export type Surroundings = {
  sites: readonly string[];
  policy: Policy | undefined;
  hosts: ReadonlyMap<string, HostRecord>;
  others: readonly ClusterRecord[];
};

/** Sentences that say what is wrong with a document: field, value, what would be right. None when it may be checked. */
export function judgeDocument(document: ClusterDocument, around: Surroundings): string[] {
  const wrong: string[] = [];
  const { clusterId, engine, flavour, homeSite, policy, members } = document;
  if (!supportedKinds.includes(`${engine}/${flavour}`)) {
    wrong.push(
      `engine, flavour: ${engine}/${flavour} is not supported by this version, which takes ${supportedKinds.join(', ')}`,
    );
  }
  if (!around.sites.includes(homeSite)) {
    wrong.push(`homeSite: ${homeSite} is not a site; the settings have ${around.sites.join(', ') || 'none'}`);
  }
  if (around.policy === undefined) wrong.push(`policy: ${policy} is not deployed`);
  members.forEach((member, i) => {
    const at = `members.${i}.hostId: ${member.hostId}`;
    const host = around.hosts.get(member.hostId);
    if (host?.state !== 'registered') wrong.push(`${at} is not registered; register the host first`);
    else if (!host.document.purposes.includes('database')) {
      wrong.push(`${at} has the purposes ${host.document.purposes.join(', ')}; database is needed`);
    }
    const other = around.others.find(
      (cluster) =>
        cluster.document.clusterId !== clusterId &&
        // A document that was refused, under a wrong name perhaps, must not keep the right one out.
        cluster.state === 'registered' &&
        !cluster.document.retired &&
        cluster.document.members.some((m) => m.hostId === member.hostId && m.datadir === member.datadir),
    );
    if (other) {
      wrong.push(
        `members.${i}.datadir: ${member.datadir} on ${member.hostId} belongs to cluster ${other.document.clusterId}`,
      );
    }
  });
  return wrong;
}

/** Pausing, retiring or another policy need no look at the hosts, which may be down just then. */
export function needsCheck(document: ClusterDocument, known: ClusterRecord | undefined): boolean {
  if (known?.state !== 'registered') return true;
  const checked = ({ engine, flavour, homeSite, members }: ClusterDocument) =>
    canonicalJson({ engine, flavour, homeSite, members });
  return checked(document) !== checked(known.document);
}

/** Why the answers of the hosts do not suffice. A member that cannot be backed up just now is no reason. */
export function judgeChecks(checks: readonly CheckOutcome[]): string[] {
  return checks.flatMap((check) => {
    const at = `member ${check.memberId} on ${check.hostId}`;
    if ('error' in check) return [`${at}: ${check.error.name}: ${check.error.cause}`];
    const seen = check.result.member;
    if (seen === undefined) return [`${at}: the host answered without a word about the server`];
    return seen.reachable ? [] : [`${at}: its server cannot be reached: ${seen.ineligible.join(', ')}`];
  });
}

/** What an operator should know about a document that was accepted. */
export function notesOn(
  document: ClusterDocument,
  policy: Policy,
  checks: readonly CheckOutcome[],
): string[] {
  const { clusterId, paused, retired } = document;
  return [
    ...(retired
      ? [
          `no backup of ${clusterId} is started any more and none counts as missing; its backups stay, can be restored, and are kept as policy ${policy.name} says (${policy.keepDays} days)`,
        ]
      : []),
    ...(paused
      ? [
          `no backup of ${clusterId} is started until ${paused.until} and none counts as missing; what is stored stays`,
        ]
      : []),
    ...(policy.copies.length === 0
      ? [
          `policy ${policy.name} names no site for copies: whoever destroys ${document.homeSite} destroys every backup`,
        ]
      : []),
    ...checks.flatMap((check) =>
      'result' in check && check.result.member && check.result.member.ineligible.length > 0
        ? [`member ${check.memberId} cannot be backed up now: ${check.result.member.ineligible.join(', ')}`]
        : [],
    ),
  ];
}
