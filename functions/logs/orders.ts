import type { AgentOrders, SetOrder } from '../../contract/records/agent.ts';
import type { SiteRef } from '../../contract/records/backup.ts';
import type { ClusterDocument } from '../../contract/records/cluster.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { ArchiveRecord } from '../catalog/archive.ts';

/** A cluster whose logs are archived, with what its orders are made from. */
export type ArchivedCluster = {
  document: ClusterDocument;
  logs: Policy['logs'];
  site: SiteRef;
  archives: ReadonlyMap<string, ArchiveRecord>;
  /** Position of the newest backup that counts. */
  anchor: string | null;
};

/**
 * Whether a timeline shall begin with the file that still reaches back to a backup. Of no use, and not to change, once it
 * has begun; and after a dead branch it begins where the log is now: no backup of before leads into it (M02, M03).
 */
export const reachesBack = ({ newest, broke }: Pick<ArchiveRecord, 'newest' | 'broke'>): boolean =>
  newest === null && broke?.kind !== 'dead-branch';

/** The orders of one member: to archive where it is the one of its set, else to be looked at. */
function setOrders({ document, logs, site, archives, anchor }: ArchivedCluster): SetOrder[] {
  const { clusterId, flavour } = document;
  if (flavour !== 'mariadb' && flavour !== 'mysql' && flavour !== 'percona') return [];
  return document.members.map((member) => {
    const record = archives.get(member.set);
    const archive =
      record?.memberId !== member.memberId
        ? null
        : {
            timeline: record.timeline,
            epoch: record.epoch,
            intervalSeconds: logs.intervalSeconds,
            segmentBytes: logs.segmentMiB * 1024 * 1024,
            after: record.newest,
            anchor: reachesBack(record) ? anchor : null,
          };
    return { clusterId, set: member.set, flavour, member, site, archive };
  });
}

/** The orders of every host that has a member of one of these clusters. */
export function ordersByHost(clusters: readonly ArchivedCluster[], now: Date): Map<string, AgentOrders> {
  const byHost = new Map<string, AgentOrders>();
  for (const order of clusters.flatMap(setOrders)) {
    const known = byHost.get(order.member.hostId) ?? { at: now.toISOString(), sets: [] };
    known.sets.push(order);
    byHost.set(order.member.hostId, known);
  }
  return byHost;
}

/** Orders that say the same, whenever they were written. */
export const sameOrders = (orders: AgentOrders, written: string): boolean => {
  const sets = (of: unknown) => JSON.stringify((of as AgentOrders | null)?.sets ?? null, sorted);
  return written !== '' && sets(JSON.parse(written)) === sets(orders);
};

/** DynamoDB gives maps back in an order of its own. */
const sorted = (_: string, value: unknown) =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
