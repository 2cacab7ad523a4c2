import { z } from 'zod';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import { id, slotId } from '../../contract/records/ids.ts';
import { policySchema } from '../../contract/records/policy.ts';
import type { Archives } from '../catalog/archive.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Hosts } from '../catalog/host.ts';
import type { Sites } from '../env/variables.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import { levelSchema } from './admit.ts';
import type { Asked } from './choose-level.ts';
import { readInspection } from './member.ts';
import type { Mint } from './mint.ts';
import { type Planned, planBackup } from './plan-backup.ts';

export type PlanDeps = {
  clusters: Pick<Clusters, 'get'>;
  hosts: Pick<Hosts, 'get'>;
  backups: Pick<Backups, 'list'>;
  archives: Pick<Archives, 'get'>;
  sites: Sites;
  mint: Mint;
  now: () => Date;
};

/** The level that somebody named: the request itself before an order that stands on the cluster. */
export function askedLevel(
  { ordered }: Pick<ClusterRecord, 'ordered'>,
  { level, reason = '' }: { level?: Asked['level'] | undefined; reason?: string | undefined },
): Asked | undefined {
  // Reconcile starts an order's execution with the order's own level: that one gives way where it cannot be had.
  if (ordered && (level === undefined || level === ordered.level)) {
    return { level: ordered.level, by: 'order', reason: ordered.reason };
  }
  return level && { level, by: 'request', reason };
}

/** Gathers what the plan stands on and lets `planBackup` decide. */
export function makeHandler(deps: PlanDeps) {
  return makeLambda<typeof event, Planned | Refused>({
    name: 'plan',
    event,
    onInvalid: 'refuse',
    handle: async ({ admitted, inspections }) => {
      const record = await deps.clusters.get(admitted.clusterId);
      if (record === undefined) {
        return refused('Cluster.Unknown', `clusterId: ${admitted.clusterId} is not registered any more`);
      }
      const cluster = record.document;
      const hosts = await Promise.all(cluster.members.map((member) => deps.hosts.get(member.hostId)));
      const physical = new Map(
        hosts.flatMap((host) =>
          host ? [[host.document.hostId, host.document.physicalHost ?? host.document.hostId]] : [],
        ),
      );
      const home = deps.sites[cluster.homeSite];
      const now = deps.now();
      return planBackup({
        cluster,
        policy: admitted.policy,
        site: home && { site: cluster.homeSite, bucket: home.bucket, region: home.region },
        inspections: inspections.flatMap(readInspection),
        history: await deps.backups.list(cluster.clusterId),
        asked: askedLevel(record, admitted),
        timeline: (await deps.archives.get({ clusterId: cluster.clusterId, set: 'main' }))?.timeline,
        slot: admitted.slot,
        attempt: admitted.attempt,
        now,
        ids: { backupId: deps.mint.backupId(now), jobId: deps.mint.jobId() },
        physicalHostOf: (hostId) => physical.get(hostId) ?? hostId,
      });
    },
  });
}

const event = z.object({
  execution: z.string().min(1),
  admitted: z.object({
    clusterId: id,
    slot: slotId.nullable(),
    attempt: z.int().min(1).optional(),
    policy: policySchema,
    level: levelSchema.optional(),
    reason: z.string().optional(),
  }),
  inspections: z.array(z.unknown()).max(50),
});
