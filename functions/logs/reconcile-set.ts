import { segmentPlaceOf } from '../../contract/layout.ts';
import { agentLostSeconds } from '../../contract/records/agent.ts';
import type { SiteRef } from '../../contract/records/backup.ts';
import type { Member } from '../../contract/records/cluster.ts';
import type { ArchiveRecord, Archives } from '../catalog/archive.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { Log } from '../log/log.ts';
import { chooseArchiver, type SeenMember } from './choose.ts';
import { recordSegments, writeLogReceipt } from './record.ts';
import { walkBack } from './walk.ts';

export type SetDeps = {
  archives: Archives;
  clusters: Pick<Clusters, 'order'>;
  objectsOf: ObjectsOf;
  mintTimeline: (now: Date) => string;
  /** Segments that one pass reads of one archive at most. */
  mostAhead?: number;
  now: () => Date;
  log: Log;
};

type SetOf = { clusterId: string; set: string; site: SiteRef };

/** Takes what the archiver has stored since the last pass into the record, if a walk back from it reaches the record. */
async function takeReport(
  deps: SetDeps,
  { site }: SetOf,
  record: ArchiveRecord,
  seen: readonly SeenMember[],
): Promise<ArchiveRecord> {
  const now = deps.now();
  const current = seen.find(({ member }) => member.memberId === record.memberId);
  const said = current?.report?.archive;
  const fresh =
    current?.at !== undefined && (now.getTime() - Date.parse(current.at)) / 1000 <= agentLostSeconds;
  const own = said?.timeline === record.timeline && said.epoch === record.epoch ? said : undefined;
  const ahead = record.ahead ?? [];
  const state = fresh && own ? own.state : 'silent';
  const more = own?.newest && own.newest.seq > (record.newest?.seq ?? -1) ? own.newest : undefined;
  const from = ahead.at(-1) ?? more;
  if (from === undefined) {
    if (own) return { ...record, state, reason: own.reason, durableAt: own.durableAt ?? record.durableAt };
    return fresh ? record : { ...record, state, reason: 'its agent does not report' };
  }
  const objects = deps.objectsOf(site);
  const way = { archive: record, from, until: record.newest, by: record };
  const walked = await walkBack(objects, deps.mostAhead ? { ...way, most: deps.mostAhead } : way);
  if (walked.outcome === 'longer') {
    const next = [...(ahead.length > 0 ? ahead : [from]), walked.next];
    const behind = (segmentPlaceOf(next[0]!.key)?.seq ?? 0) - (record.newest?.seq ?? -1);
    const reason = `${behind} segments are stored and not recorded yet`;
    return { ...record, ahead: next.map(({ key, crc }) => ({ key, crc })), state, reason };
  }
  if (walked.outcome === 'broken') {
    deps.log.error('an archive does not reach what is recorded', {
      clusterId: record.clusterId,
      set: record.set,
      reason: walked.reason,
    });
    const { ahead: _, ...rest } = record;
    return { ...rest, state: 'failing', reason: walked.reason };
  }
  await recordSegments({ archives: deps.archives, objects }, record, walked.segments);
  const [first] = walked.segments;
  const left = ahead.slice(0, -1);
  const { ahead: _, ...rest } = record;
  return {
    ...rest,
    ...(left.length > 0 ? { ahead: left } : {}),
    newest: walked.segments.at(-1)!.end,
    first: record.first ?? { start: first!.header.start, seen: first!.header.seen.first },
    state,
    reason: own?.reason ?? record.reason,
    // Of what the archiver says now this is a part, where more is ahead.
    durableAt: ahead.length > 0 ? record.durableAt : (own?.durableAt ?? record.durableAt),
  };
}

/** After a rebuild an archive knows no segment: the days that have a receipt say up to where it was recorded. */
export async function withEnd(
  archives: Pick<Archives, 'ranges'>,
  record: ArchiveRecord,
): Promise<ArchiveRecord> {
  if (record.newest !== null) return record;
  const ranges = await archives.ranges(record);
  const [first, last] = [ranges[0], ranges.at(-1)];
  if (!first || !last) return record;
  return { ...record, newest: last.last, first: { start: first.first.start, seen: first.first.seen } };
}

/** A new timeline for a set; the epoch goes on counting, so that no order of before outranks it. */
function opened(deps: SetDeps, of: SetOf, member: Member, before: ArchiveRecord | undefined): ArchiveRecord {
  const now = deps.now();
  return {
    v: 1,
    clusterId: of.clusterId,
    set: of.set,
    timeline: deps.mintTimeline(now),
    openedAt: now.toISOString(),
    epoch: (before?.epoch ?? 0) + 1,
    memberId: member.memberId,
    hostId: member.hostId,
    since: now.toISOString(),
    newest: null,
    first: null,
    state: 'behind',
    reason: 'ordered, not begun',
    durableAt: null,
    broke: null,
    revision: before?.revision ?? 0,
  };
}

/** Who archives from here on, for the rebuild: a timeline is opened again by each archiver. */
const writeOpened = (deps: SetDeps, { site }: SetOf, record: ArchiveRecord, reason: string) =>
  writeLogReceipt(deps.objectsOf(site), {
    v: 1,
    fact: 'opened',
    clusterId: record.clusterId,
    set: record.set,
    timeline: record.timeline,
    at: record.since,
    by: 'reconcile',
    reason,
    archiver: { memberId: record.memberId, hostId: record.hostId, epoch: record.epoch },
  });

/** Puts the record, and then tells of what happened: a receipt, and a full backup where the archive had to begin anew. */
async function openTimeline(
  deps: SetDeps,
  of: SetOf,
  member: Member,
  before: ArchiveRecord | undefined,
  broke: { kind: 'gap' | 'dead-branch'; reason: string } | null,
): Promise<ArchiveRecord | undefined> {
  const at = deps.now().toISOString();
  const objects = deps.objectsOf(of.site);
  const record = opened(deps, of, member, before);
  if (broke && before) {
    record.broke = { kind: broke.kind, at, reason: broke.reason.slice(0, 1000), timeline: before.timeline };
    await writeLogReceipt(objects, {
      v: 1,
      fact: broke.kind,
      clusterId: of.clusterId,
      set: of.set,
      timeline: before.timeline,
      // Of the archive's own last instant: a pass that is cut off and comes again meets this receipt.
      at: before.durableAt ?? before.since,
      by: 'reconcile',
      reason: broke.reason,
      newest: before.newest,
    });
    const reason = `logs: ${broke.kind} in the archive of ${of.set}: ${broke.reason}`.slice(0, 500);
    await deps.clusters.order(of.clusterId, { level: 'full', reason, at });
  }
  if (!(await deps.archives.put(record, before))) return undefined;
  const why = broke ? `after a ${broke.kind} in ${before!.timeline}` : 'archiving begins';
  await writeOpened(deps, of, record, why);
  deps.log.info('a timeline begins', { clusterId: of.clusterId, set: of.set, timeline: record.timeline });
  return record;
}

/**
 * One set in one pass: what its archiver has stored is recorded first, so that whoever takes over goes on behind it;
 * then it is decided who archives. Answers the record as it is now; undefined: nobody can archive this set.
 */
export async function reconcileSet(
  deps: SetDeps,
  of: SetOf,
  known: ArchiveRecord | undefined,
  seen: readonly SeenMember[],
): Promise<ArchiveRecord | undefined> {
  const after = known && (await takeReport(deps, of, await withEnd(deps.archives, known), seen));
  // Until everything that is stored is recorded nobody takes over, and no timeline ends: it would end too early.
  const choice = after?.ahead ? ({ outcome: 'keep' } as const) : chooseArchiver(after, seen, deps.now());
  switch (choice.outcome) {
    case 'nobody':
      deps.log.error('nobody can archive this set', {
        clusterId: of.clusterId,
        set: of.set,
        reason: choice.reason,
      });
      break;
    case 'open':
      return openTimeline(deps, of, choice.member, after, choice.broke);
    case 'move': {
      deps.log.info('another member archives', { clusterId: of.clusterId, reason: choice.reason });
      const { memberId, hostId } = choice.member;
      const since = deps.now().toISOString();
      const moved: ArchiveRecord = {
        ...after!,
        memberId,
        hostId,
        since,
        epoch: after!.epoch + 1,
        state: 'behind',
        reason: choice.reason,
      };
      if (!(await deps.archives.put(moved, known))) return undefined;
      await writeOpened(deps, of, moved, choice.reason);
      return moved;
    }
    case 'keep':
      break;
  }
  if (after === undefined || known === undefined) return undefined;
  if (JSON.stringify(after) === JSON.stringify(known)) return known;
  return (await deps.archives.put(after, known)) ? after : known;
}
