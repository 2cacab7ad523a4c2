import type { AgentSaid } from '../../catalog/agent.ts';
import type { ArchiveRecord, Archives, SegmentRecord } from '../../catalog/archive.ts';
import type { Hosts } from '../../catalog/host.ts';
import type { SegmentStore } from '../../logs/read-ahead.ts';
import { withEnd } from '../../logs/reconcile-set.ts';
import { segmentRecord } from '../../logs/record.ts';
import { walkBack } from '../../logs/walk.ts';

export type ReportedDeps = {
  archives: Pick<Archives, 'ranges'>;
  hosts: Pick<Hosts, 'get'>;
  agents: { get: (userid: string) => Promise<AgentSaid> };
};

/** Segments behind those that are recorded, and until when they hold everything. */
export type Tail = { segments: SegmentRecord[]; durableAt: string | null };

/**
 * What the archiver has stored since the last pass of Reconcile: its last row names its newest segment, also when its
 * host is gone, and a walk back from it must reach the record. Whoever restores in these two minutes would lose them.
 * Undefined where nothing more is known than is recorded.
 */
export async function reportedTail(
  record: ArchiveRecord,
  deps: ReportedDeps,
  objects: SegmentStore,
): Promise<Tail | undefined> {
  const { clusterId, set, memberId, timeline, epoch } = record;
  const host = await deps.hosts.get(record.hostId);
  const { report } = host ? await deps.agents.get(host.userid) : { report: undefined };
  const said = report?.sets.find(
    (of) => of.clusterId === clusterId && of.set === set && of.memberId === memberId,
  )?.archive;
  if (said?.timeline !== timeline || said.epoch !== epoch || said.newest === null) return undefined;
  // How much of it the cluster still has is for Reconcile to say.
  if (said.state === 'dead-branch') return undefined;
  const { newest: until } = await withEnd(deps.archives, record);
  const durableAt = said.durableAt ?? record.durableAt;
  if (said.newest.seq <= (until?.seq ?? -1)) return { segments: [], durableAt };
  const walked = await walkBack(objects, { archive: record, from: said.newest, until, by: record });
  return walked.outcome === 'whole' ? { segments: walked.segments.map(segmentRecord), durableAt } : undefined;
}
