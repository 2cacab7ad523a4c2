import { mariadbGtidContains, parseMariadbGtid } from '../../contract/positions/mariadb-gtid.ts';
import { mysqlGtidContains, parseMysqlGtid } from '../../contract/positions/mysql-gtid.ts';
import type { BackupRecord, Increment, SiteRef } from '../../contract/records/backup.ts';
import type { MemberInspection } from '../../contract/records/job.ts';
import type { Policy } from '../../contract/records/policy.ts';
import { chainOf, sameOrigin } from '../catalog/chain.ts';
import { predictedRestoreSeconds } from '../restore/restore-time.ts';
import type { Candidate } from './member.ts';

/** A level that somebody named: an order on the cluster's record, or the request itself. */
export type Asked = { level: BackupRecord['level']; by: 'order' | 'request'; reason: string };

export type LevelInput = {
  policy: Pick<Policy, 'name' | 'method' | 'incrementals'>;
  site: Pick<SiteRef, 'bucket'>;
  /** Every backup of the cluster that was ordered, latest first; the failed ones too. */
  history: readonly BackupRecord[];
  /** Members that may be backed up, best first. */
  candidates: readonly Candidate[];
  /** Why each of the others may not. */
  unfit: readonly { memberId: string; reasons: readonly string[] }[];
  timeline: string;
  /** Whether a later attempt of this slot may still look for the member of the chain. */
  mayWait?: boolean | undefined;
  asked: Asked | undefined;
};

export type LevelChoice =
  | { level: 'full'; reasons: string[] }
  | {
      level: 'incremental';
      chosen: Candidate;
      parent: BackupRecord;
      chain: string;
      increment: Increment;
      /** What the one before it had, else a tenth of the data. */
      expectedBytes: number;
      reasons: string[];
    }
  /** An incremental was asked for and cannot be taken. */
  | { level: 'none'; why: string }
  /** The member of the chain is away, and the policy waits for it. */
  | { level: 'later'; why: string };

type Head = { parent: BackupRecord; links: BackupRecord[]; chosen: Candidate; increment: Increment };

/** Whether a position holds another; one that cannot be read, since its host wrote something else, holds nothing. */
function holds(flavour: string, now: string, before: string): boolean {
  try {
    return flavour === 'mariadb'
      ? mariadbGtidContains(parseMariadbGtid(now), parseMariadbGtid(before))
      : mysqlGtidContains(parseMysqlGtid(now), parseMysqlGtid(before));
  } catch {
    return false;
  }
}

/** A position of before the parent's: the member's data was set back, and its LSNs count another history. */
function setBack(parent: BackupRecord, seen: MemberInspection): string | undefined {
  const [before, now] = [parent.position?.gtid ?? '', seen.position?.gtid ?? ''];
  if (before === '') return undefined;
  if (holds(parent.flavour, now, before)) return undefined;
  return `the member stands at ${now.slice(0, 200) || 'no position'} and lacks what backup ${parent.backupId} has (${before})`;
}

/** What has changed on the member since the parent was taken; undefined where it is the same server over the same files. */
function changed(parent: BackupRecord, { member, seen }: Candidate): string | undefined {
  const { origin } = parent;
  const { memberId } = member;
  if (!origin || !parent.lsn) return `backup ${parent.backupId} does not say of which files it is`;
  if (seen.files === undefined) return `the runner of member ${memberId} takes no incrementals yet`;
  if (parent.role !== seen.role) return `member ${memberId} was a ${parent.role} and is a ${seen.role} now`;
  const is = { uuid: seen.serverUuid, serverId: seen.serverId, datadir: seen.datadir, files: seen.files };
  if (is.uuid !== origin.uuid || is.serverId !== origin.serverId) {
    return `member ${memberId} is another server now (${is.uuid}, id ${is.serverId}; it was ${origin.uuid}, id ${origin.serverId})`;
  }
  if (!sameOrigin(is, origin)) return `the data directory of member ${memberId} is another one now`;
  if (seen.serverVersion !== parent.serverVersion) {
    return `the server of member ${memberId} was ${parent.serverVersion} and is ${seen.serverVersion} now`;
  }
  if (seen.toolVersion !== parent.toolVersion) {
    return `the tool of member ${memberId} was ${parent.toolVersion} and is ${seen.toolVersion} now`;
  }
  return setBack(parent, seen);
}

/** The chain that can go on, or why none can: what makes an incremental right, whoever asks for one. */
function headOf(input: LevelInput): Head | { why: string; away?: true } {
  const { history, candidates, unfit, policy, site, timeline } = input;
  const physical = history.filter(({ method, committedAt, extra }) => {
    return method === 'physical' && committedAt !== undefined && !extra;
  });
  const [parent] = physical;
  if (parent === undefined) return { why: 'there is no full backup yet' };
  if (policy.method !== 'physical') return { why: `incrementals of method ${policy.method} are not taken` };
  if (parent.state !== 'verified' && parent.state !== 'proven') {
    return { why: `the last backup, ${parent.backupId}, is ${parent.state}` };
  }
  const broken = history.find((b) => b.parent === parent.backupId && b.error?.name === 'Backup.ChainBroken');
  if (broken) return { why: `the chain broke with ${broken.backupId}: ${broken.error?.cause}` };
  const chain = chainOf(parent, history);
  if (chain.outcome === 'broken') return { why: `the chain has a hole: ${chain.why}` };
  if (parent.site.bucket !== site.bucket) return { why: `the chain lies in ${parent.site.bucket}` };
  if (parent.timeline !== timeline) return { why: `the chain is of timeline ${parent.timeline}` };
  const chosen = candidates.find(({ member }) => member.memberId === parent.memberId);
  if (chosen === undefined) {
    const reasons = unfit.find(({ memberId }) => memberId === parent.memberId)?.reasons;
    const said = reasons ? `cannot be backed up now: ${reasons.join(', ')}` : 'is no member any more';
    const why = `member ${parent.memberId}, of which the chain is, ${said}`;
    return reasons ? { why, away: true } : { why };
  }
  const best = candidates[0] ?? chosen;
  if (chosen.seen.role !== 'replica' && best.seen.role === 'replica') {
    return {
      why: `replica ${best.member.memberId} goes before the ${chosen.seen.role} of which the chain is`,
    };
  }
  const why = changed(parent, chosen);
  if (why !== undefined) return { why };
  const { origin, lsn, serverVersion = '', toolVersion = '' } = parent;
  const links = chain.links.map(({ backupId }) => backupId);
  const increment = { links, fromLsn: lsn!.to, origin: origin!, serverVersion, toolVersion };
  return { parent, links: chain.links, chosen, increment };
}

const expectedBytesOf = ({ chosen }: Head, history: readonly BackupRecord[]) =>
  history.find((b) => b.level === 'incremental' && b.bytes !== undefined)?.bytes ??
  Math.ceil(chosen.seen.dataBytes / 10);

const minutes = (seconds: number) => Math.ceil(seconds / 60);

/** Which of the policy's limits the chain has reached; undefined where it may grow. */
function reached(
  head: Head,
  expectedBytes: number,
  { most, restoreMinutes }: NonNullable<Policy['incrementals']>,
  history: readonly BackupRecord[],
): string | undefined {
  const taken = head.links.length - 1;
  if (taken >= most) return `the chain has ${taken} incrementals, the policy allows ${most}`;
  if (restoreMinutes === undefined) return undefined;
  const predicted = minutes(predictedRestoreSeconds([...head.links, { bytes: expectedBytes }], history));
  return predicted > restoreMinutes
    ? `a restore of the chain and one more incremental would take ${predicted} minutes, the policy allows ${restoreMinutes}`
    : undefined;
}

/**
 * Decides whether the next backup is a full or an incremental one, and why. An incremental must be right whoever asks
 * for it: on the newest backup, verified, of the same member, role, server, files and versions (M20, M23). The policy's
 * limits on a chain bind the schedule; who names the level has decided that himself.
 */
export function chooseLevel(input: LevelInput): LevelChoice {
  const { policy, asked, history } = input;
  const full = (...reasons: string[]): LevelChoice => ({ level: 'full', reasons });
  if (asked?.level === 'full') return full(`a full one: the ${asked.by} names the level (${asked.reason})`);
  if (!policy.incrementals) {
    const why = `the policy ${policy.name} takes no incrementals`;
    return asked?.by === 'request' ? { level: 'none', why } : full(`a full one: ${why}`);
  }
  const head = headOf(input);
  if ('why' in head) {
    if (head.away && input.mayWait) return { level: 'later', why: head.why };
    return asked?.by === 'request' ? { level: 'none', why: head.why } : full(`a full one: ${head.why}`);
  }
  const expectedBytes = expectedBytesOf(head, history);
  const limit = asked ? undefined : reached(head, expectedBytes, policy.incrementals, history);
  if (limit !== undefined) return full(`a full one: ${limit}`);
  const { parent, links, chosen, increment } = head;
  const base = links[0]!.backupId;
  return {
    level: 'incremental',
    chosen,
    parent,
    chain: base,
    increment,
    expectedBytes,
    reasons: [
      `an incremental one${asked ? `, which the ${asked.by} names (${asked.reason})` : ''}: number ${links.length} of at most ${policy.incrementals.most} on the full ${base}, from LSN ${increment.fromLsn} of ${parent.backupId}`,
      `a restore of the chain is predicted to take ${minutes(predictedRestoreSeconds([...links, { bytes: expectedBytes }], history))} minutes`,
    ],
  };
}
