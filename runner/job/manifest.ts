import { type Manifest, manifestVersion, type StreamSummary } from '../../contract/formats/manifest.ts';
import type { BackupOrder } from '../../contract/records/job.ts';
import type { BackupFacts } from '../engines/engine.ts';

/** What the manifest says, from what was ordered, what the engine found and what was stored. */
export function composeManifest(
  order: BackupOrder,
  facts: BackupFacts,
  streams: StreamSummary[],
  job: { jobId: string; hostId: string; runnerVersion: string; startedAt: Date; committedAt: Date },
): Manifest {
  const { metrics, ...found } = facts;
  const sum = (of: (stream: StreamSummary) => number) => streams.reduce((total, s) => total + of(s), 0);
  return {
    v: manifestVersion,
    clusterId: order.clusterId,
    backupId: order.backupId,
    jobId: job.jobId,
    memberId: order.member.memberId,
    hostId: job.hostId,
    slot: order.slot,
    engine: order.engine,
    flavour: order.flavour,
    site: order.site,
    plan: order.plan,
    startedAt: job.startedAt.toISOString(),
    committedAt: job.committedAt.toISOString(),
    runnerVersion: job.runnerVersion,
    ...found,
    streams,
    metrics: {
      ...metrics,
      seconds: (job.committedAt.getTime() - job.startedAt.getTime()) / 1000,
      bytes: sum((s) => s.bytes),
      storedBytes: sum((s) => s.storedBytes),
    },
    policy: order.policy,
  };
}
