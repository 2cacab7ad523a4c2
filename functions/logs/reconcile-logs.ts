import { randomBytes } from 'node:crypto';
import type { AgentOrders, AgentReport } from '../../contract/records/agent.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { Policy } from '../../contract/records/policy.ts';
import type { AgentSaid, Agents } from '../catalog/agent.ts';
import type { ArchiveRecord, Archives } from '../catalog/archive.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Hosts } from '../catalog/host.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { GetPolicy } from '../clients/policies.ts';
import type { Sites } from '../env/variables.ts';
import type { Log } from '../log/log.ts';
import { each } from '../reconcile/each.ts';
import { setReportOf } from './choose.ts';
import { type ArchivedCluster, ordersByHost, reachesBack, sameOrders } from './orders.ts';
import { reconcileSet } from './reconcile-set.ts';
import { windowOf } from './window.ts';

export type LogsDeps = {
  agents: Agents;
  archives: Archives;
  backups: Pick<Backups, 'list'>;
  clusters: Pick<Clusters, 'order'>;
  hosts: Pick<Hosts, 'list'>;
  getPolicy: GetPolicy;
  objectsOf: ObjectsOf;
  sites: Sites;
  now: () => Date;
  log: Log;
  /** Segments that one pass reads of one archive at most. */
  mostAhead?: number;
};

export type LogsAnswer = {
  /** Sets whose log is to be archived. */
  sets: number;
  /** Of them: what is in the log is not durable for too long, or nobody archives it. */
  lagging: number;
  /** Of them: the archive had a gap or a dead branch, and no backup has followed that is joined to it. */
  broken: number;
  failed: number;
};

/** Seconds that an archive may be behind its log: three segments, and what two passes and a report take. */
export const laggingAfter = (intervalSeconds: number) => Math.max(300, 3 * intervalSeconds + 120);

/** Random, so that no host can prepare a place for what is to come; the time is for people. */
export const mintTimeline = (now: Date): string =>
  `${now.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z-${randomBytes(6).toString('hex')}`;

/** Whether a set's log should be archived by this policy. */
export const isArchived = ({ document, state }: ClusterRecord, policy: Policy | undefined): boolean =>
  policy?.logs.archive === true &&
  document.engine === 'mysql' &&
  state === 'registered' &&
  document.retired !== true;

/** Minutes within which a host that was told to look has an agent that says what it sees. */
const forgottenMinutes = 10;

/** Whether nobody archives, though hosts have been told for long enough. */
export function isForgotten(rows: readonly (AgentSaid | undefined)[], now: Date): boolean {
  const told = rows.flatMap((row) =>
    row?.ordered ? [(JSON.parse(row.ordered) as AgentOrders | null)?.at] : [],
  );
  return told.some((at) => at !== undefined && now.getTime() - Date.parse(at) > forgottenMinutes * 60_000);
}

/** Whether what the server shows has not become durable for too long. */
export function isLagging(record: ArchiveRecord, logs: Policy['logs'], now: Date): boolean {
  const since = record.durableAt ?? record.since;
  return (now.getTime() - Date.parse(since)) / 1000 > laggingAfter(logs.intervalSeconds);
}

/**
 * The archives of the fleet, in each pass: records what was stored, decides who archives, writes the orders of agents,
 * and counts what is wrong. Orders go to hosts last, in one write each, whatever clusters they have members of.
 */
export async function reconcileLogs(deps: LogsDeps, clusters: readonly ClusterRecord[]): Promise<LogsAnswer> {
  const now = deps.now();
  const policies = new Map<string, Promise<Policy | undefined>>();
  const policyOf = (name: string) => {
    const known = policies.get(name) ?? deps.getPolicy(name);
    policies.set(name, known);
    return known;
  };
  const wanted: { cluster: ClusterRecord; policy: Policy }[] = [];
  for (const cluster of clusters) {
    if (cluster.document.engine !== 'mysql') continue;
    const policy = await policyOf(cluster.document.policy);
    if (policy && isArchived(cluster, policy)) wanted.push({ cluster, policy });
  }
  const known = await deps.archives.list();
  if (wanted.length === 0 && known.length === 0) return { sets: 0, lagging: 0, broken: 0, failed: 0 };

  const hosts = new Map((await deps.hosts.list()).map((host) => [host.document.hostId, host]));
  const rows = new Map<string, Promise<AgentSaid>>();
  const rowOf = (hostId: string): Promise<AgentSaid> | undefined => {
    const host = hosts.get(hostId);
    if (!host) return undefined;
    const row = rows.get(hostId) ?? deps.agents.get(host.userid);
    rows.set(hostId, row);
    return row;
  };
  const reportOf = async (hostId: string): Promise<AgentReport | undefined> => (await rowOf(hostId))?.report;

  let [sets, lagging, broken] = [0, 0, 0];
  const looked = await each(wanted, 20, deps.log, async ({ cluster, policy }): Promise<ArchivedCluster> => {
    const { document } = cluster;
    const { clusterId } = document;
    const site = deps.sites[document.homeSite];
    if (site === undefined)
      throw new Error(`${clusterId}: its home site ${document.homeSite} is not in the settings`);
    const siteRef = { site: document.homeSite, bucket: site.bucket, region: site.region };
    const archives = new Map<string, ArchiveRecord>();
    // Of most archives nothing is asked of the backups: a year of them for each of thousands of clusters is not read.
    let listed: ReturnType<typeof deps.backups.list> | undefined;
    const backups = () => (listed ??= deps.backups.list(clusterId));
    for (const set of new Set(document.members.map((member) => member.set))) {
      const seen = await Promise.all(
        document.members
          .filter((member) => member.set === set)
          .map(async (member) => {
            const report = await reportOf(member.hostId);
            const said = setReportOf(report, clusterId, member);
            return { member, at: report?.at, startedAt: report?.startedAt, report: said };
          }),
      );
      const before = known.find((record) => record.clusterId === clusterId && record.set === set);
      const of = { clusterId, set, site: siteRef };
      const record = await reconcileSet({ ...deps, mintTimeline }, of, before, seen);
      if (record) archives.set(set, record);
      sets += 1;
      const told = await Promise.all(document.members.map(({ hostId }) => rowOf(hostId)));
      if (record ? isLagging(record, policy.logs, now) : isForgotten(told, now)) lagging += 1;
      if (record?.broke && windowOf(record, await backups()) === undefined) broken += 1;
    }
    // Only a timeline that has no segment yet is told how far back it shall reach.
    const begins = [...archives.values()].some(reachesBack);
    const counted = (begins ? await backups() : []).find(
      ({ state, position }) => (state === 'verified' || state === 'proven') && position,
    );
    return { document, logs: policy.logs, site: siteRef, archives, anchor: counted?.position?.gtid || null };
  });

  const orders = ordersByHost(looked.done, now);
  // Hosts of clusters that could not be looked at keep the orders that they have.
  const left = new Set(
    wanted
      .filter(({ cluster }) => !looked.done.some(({ document }) => document === cluster.document))
      .flatMap(({ cluster }) => cluster.document.members.map(({ hostId }) => hostId)),
  );
  // Where archiving has ended, whoever had to do with it is told.
  const ended = new Set(known.map(({ clusterId }) => clusterId));
  const concerned = new Set([
    ...orders.keys(),
    ...known.map(({ hostId }) => hostId),
    ...clusters
      .filter(({ document }) => ended.has(document.clusterId))
      .flatMap(({ document }) => document.members.map(({ hostId }) => hostId)),
  ]);
  const written = await each(
    [...concerned].filter((hostId) => !left.has(hostId)),
    20,
    deps.log,
    async (hostId) => {
      const host = hosts.get(hostId);
      const row = await rowOf(hostId);
      if (!host || !row) return;
      const next = orders.get(hostId) ?? { at: now.toISOString(), sets: [] };
      if (next.sets.length === 0 && !row.row) return;
      if (!sameOrders(next, row.ordered)) await deps.agents.order(host.userid, hostId, next);
    },
  );
  return { sets, lagging, broken, failed: looked.failed + written.failed };
}
