import type { BackupRecord } from '../../contract/records/backup.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { Candidate } from './member.ts';

export type MethodInput = {
  policy: Pick<Policy, 'name' | 'method'>;
  /** Every backup of the cluster that was ordered, latest first; the failed ones too. */
  history: readonly BackupRecord[];
  /** Members that may be backed up, best first. */
  candidates: readonly Candidate[];
  now: Date;
};

export type MethodChoice =
  | { method: 'physical'; reasons: string[] }
  /** `spoolBytes`: what the dump may have on the host's disk before it is stored. */
  | { method: 'logical'; chosen: Candidate; expectedBytes: number; spoolBytes: number; reasons: string[] }
  /** The policy names the logical method and no member can be dumped whole. */
  | { method: 'none'; why: string };

const GB = 1e9;
const GiB = 1024 ** 3;

/** Bytes of data files, without logs, undo and temporary space (M25). On the first backup one line, later a band around it. */
const firstBelow = 20 * GB;
const logicalUpTo = 22 * GB;
const physicalDownTo = 18 * GB;

/** A dump never has more on disk than it is long; longer ones are stored faster than this fills. */
const mostSpool = 8 * GiB;
/** Strings are escaped, numbers are written out; and what a small database has besides. */
const dumpOf = (dataBytes: number) => Math.ceil(dataBytes * 1.25) + 256 * 1024 ** 2;

/** Failures that another attempt of a dump meets again, and a copy of the files does not. */
const physicalInstead = ['Backup.SpoolFull', 'Backup.DefinitionsMoved'];
/** For so long the automatic choice remembers one: data and habits change. */
const rememberedDays = 7;

const size = (bytes: number) =>
  bytes >= GB ? `${(bytes / GB).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;

/** What of a host's disk a dump may take: what it needs, else four fifths of what is free; undefined when that is too little. */
function spoolFor({ seen }: Candidate): number | undefined {
  const needed = Math.min(dumpOf(seen.dataBytes), mostSpool);
  const most = Math.floor((seen.logical?.spoolFreeBytes ?? 0) * 0.8);
  return most < Math.min(needed, GiB) ? undefined : Math.min(needed, most);
}

/** Why this member cannot be dumped whole; none when it can. */
function against(candidate: Candidate): string[] {
  const { seen } = candidate;
  if (seen.logical === undefined) return ['its runner takes no logical backups of such a server'];
  if (spoolFor(candidate) !== undefined) return seen.logical.refusals;
  const need = Math.min(dumpOf(seen.dataBytes), GiB);
  const room = `its spool has ${size(seen.logical.spoolFreeBytes)} free, of which a dump may take four fifths; ${size(need)} are needed at least`;
  return [...seen.logical.refusals, room];
}

/** The method that the size asks for, with the sentence that says so. */
function bySize(
  dataBytes: number,
  last: BackupRecord | undefined,
): { method: 'logical' | 'physical'; why: string } {
  const data = `${size(dataBytes)} of data files`;
  if (last === undefined) {
    return dataBytes < firstBelow
      ? { method: 'logical', why: `${data} are under 20 GB, and this is the first backup` }
      : { method: 'physical', why: `${data} are 20 GB or more, and this is the first backup` };
  }
  if (last.method === 'logical') {
    return dataBytes > logicalUpTo
      ? { method: 'physical', why: `${data} are more than 22 GB; the last backup was logical` }
      : { method: 'logical', why: `${data} are not more than 22 GB; the last backup was logical too` };
  }
  return dataBytes < physicalDownTo
    ? { method: 'logical', why: `${data} are under 18 GB; the last backup was physical` }
    : { method: 'physical', why: `${data} are not under 18 GB; the last backup was physical too` };
}

/** The newest dump that was tried, when it failed so that a next one would too. */
function failedDump(history: readonly BackupRecord[], now: Date): BackupRecord | undefined {
  const newest = history.find(({ method }) => method === 'logical');
  const since = now.getTime() - rememberedDays * 86_400_000;
  const counts =
    newest?.error !== undefined &&
    physicalInstead.includes(newest.error.name) &&
    Date.parse(newest.startedAt) > since;
  return counts ? newest : undefined;
}

/**
 * Chooses between a dump and a copy of the files, and says why. The policy may force either. Left to choose, the size
 * decides: under 20 GB logical on the first backup, afterwards changed only below 18 or above 22 GB; and what a dump
 * would lose is copied instead, for the reason that is told (M09).
 */
export function chooseMethod({ policy, history, candidates, now }: MethodInput): MethodChoice {
  const named = `the policy ${policy.name} names the method ${policy.method}`;
  if (policy.method === 'physical') return { method: 'physical', reasons: [named] };
  const [best] = candidates;
  const chosen = candidates.find((candidate) => against(candidate).length === 0);
  const last = history.find(({ committedAt, extra }) => committedAt !== undefined && !extra);
  const wanted = bySize(best?.seen.dataBytes ?? 0, last);
  const auto = `the policy ${policy.name} leaves the method to the size: ${wanted.why}`;
  if (policy.method === 'auto') {
    if (wanted.method === 'physical') return { method: 'physical', reasons: [auto] };
    const failed = failedDump(history, now);
    if (failed !== undefined) {
      const why = `physical all the same: the dump ${failed.backupId} failed (${failed.error?.name}), and the next would too`;
      return { method: 'physical', reasons: [auto, why] };
    }
  }
  if (chosen === undefined) {
    const why = candidates
      .map((candidate) => `${candidate.member.memberId}: ${against(candidate).join('; ')}`)
      .join('. ');
    return policy.method === 'auto'
      ? {
          method: 'physical',
          reasons: [auto, `physical all the same, since a dump would not be whole. ${why}`],
        }
      : { method: 'none', why };
  }
  const before = history.find(({ method, bytes }) => method === 'logical' && bytes !== undefined);
  const spoolBytes = spoolFor(chosen) ?? 0;
  return {
    method: 'logical',
    chosen,
    expectedBytes: before?.bytes ?? chosen.seen.dataBytes,
    spoolBytes,
    reasons: [
      policy.method === 'auto' ? auto : named,
      `the dump may have ${size(spoolBytes)} on the host's disk before they are stored`,
    ],
  };
}
