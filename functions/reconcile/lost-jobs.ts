import { createHash } from 'node:crypto';
import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey } from '../../contract/layout.ts';
import {
  type BackupOrder,
  type BackupResult,
  beatSeconds,
  committingSeconds,
  type JobRow,
  lostSeconds,
} from '../../contract/records/job.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Jobs } from '../catalog/job.ts';
import type { OrderRecord, Orders } from '../catalog/order.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import type { Tasks } from '../clients/tasks.ts';
import type { Log } from '../log/log.ts';
import { each } from './each.ts';

/** A runner stops itself at its deadline and says so at its next beat; two beats later it has not. */
const deadlineGraceSeconds = 2 * beatSeconds;

/** What to do about one live job. `look`: the manifest decides; without one, `without` is done. */
export type LiveJobDecision =
  | { outcome: 'leave' }
  | { outcome: 'end'; as: 'lost' | 'cancelled'; error: ErrorRecord }
  | { outcome: 'look'; without: { outcome: 'leave' } | { outcome: 'end'; as: 'lost'; error: ErrorRecord } };

const secondsSince = (instant: string, now: Date) => (now.getTime() - Date.parse(instant)) / 1000;

/**
 * Whether a live job is gone. A queued one that was not claimed in time is lost, since its command can arrive no
 * more; a claimed one after 5 minutes without a beat, or past its deadline; a committing one only 15 minutes after
 * its last beat and only without its manifest, for which is looked from the fifth minute on.
 */
export function decideLiveJob(
  row: Pick<
    JobRow,
    'jobId' | 'hostId' | 'state' | 'live' | 'claimBy' | 'claimedAt' | 'beatAt' | 'deadline' | 'createdAt'
  >,
  now: Date,
): LiveJobDecision {
  if (row.live !== 'yes') return { outcome: 'leave' };
  const where = `job ${row.jobId} on ${row.hostId}`;
  const lost = (why: string) => ({
    outcome: 'end' as const,
    as: 'lost' as const,
    error: { name: 'Job.Lost', cause: `${where} ${why}` },
  });
  const sign = row.beatAt ?? row.claimedAt ?? row.createdAt;
  const silent = secondsSince(sign, now);
  switch (row.state) {
    case 'queued':
      return now.getTime() > Date.parse(row.claimBy)
        ? lost(`was not claimed by ${row.claimBy}: is the host up, and its SSM agent connected?`)
        : { outcome: 'leave' };
    case 'claimed':
      if (silent > lostSeconds) return lost(`sent its last beat at ${sign}`);
      return secondsSince(row.deadline, now) > deadlineGraceSeconds
        ? lost(`runs past its deadline ${row.deadline}`)
        : { outcome: 'leave' };
    case 'committing':
      if (silent <= lostSeconds) return { outcome: 'leave' };
      return {
        outcome: 'look',
        without:
          silent > committingSeconds
            ? lost(`sent its last beat at ${sign}, while committing, and left no manifest`)
            : { outcome: 'leave' },
      };
    case 'cancelled':
      return silent > lostSeconds
        ? {
            outcome: 'end',
            as: 'cancelled',
            error: {
              name: 'Job.Cancelled',
              cause: `${where} was cancelled and has not answered since ${sign}`,
            },
          }
        : { outcome: 'leave' };
    default:
      return { outcome: 'leave' };
  }
}

/** The result that the runner would have sent, from its manifest. */
export function resultOf(manifest: Manifest, manifestSha256: string): BackupResult {
  const { clusterId, backupId, jobId, streams } = manifest;
  const sum = (of: (stream: Manifest['streams'][number]) => number) => streams.reduce((n, s) => n + of(s), 0);
  return {
    kind: 'backup',
    jobId,
    backupId,
    manifestKey: manifestKey({ clusterId, backupId }),
    manifestSha256,
    bytes: sum((s) => s.bytes),
    storedBytes: sum((s) => s.storedBytes),
    volumes: sum((s) => s.volumes),
  };
}

export type LostJobsDeps = {
  jobs: Pick<Jobs, 'nominateLive' | 'get' | 'endFor'>;
  orders: Pick<Orders, 'get'>;
  backups: Pick<Backups, 'end'>;
  tasks: Tasks;
  objectsOf: ObjectsOf;
  now: () => Date;
  log: Log;
};

/** The backup that control ordered with this job; nothing of it is taken from the host-writable row. */
const backupOf = (order: OrderRecord | undefined): BackupOrder | undefined =>
  order?.order.kind === 'backup' ? order.order : undefined;

/** Its manifest as a result; undefined where there is none, or one of another job. */
async function committedResult(
  deps: LostJobsDeps,
  order: BackupOrder,
  jobId: string,
): Promise<BackupResult | undefined> {
  const stored = await deps.objectsOf(order.site).get(manifestKey(order));
  if (!stored) return undefined;
  const manifest = decodeManifest(stored.body);
  if (manifest.jobId !== jobId) return undefined;
  return resultOf(manifest, createHash('sha256').update(stored.body).digest('hex'));
}

/** One nominated job, by a strong read of it (F51). Answers what became of it. */
async function reconcileJob(
  deps: LostJobsDeps,
  nominated: Pick<JobRow, 'pk' | 'jobId'>,
): Promise<'lost' | 'cancelled' | 'completed' | 'left'> {
  const { pk, jobId } = nominated;
  const row = await deps.jobs.get(pk, jobId);
  const decision = row ? decideLiveJob(row, deps.now()) : { outcome: 'leave' as const };
  if (!row || decision.outcome === 'leave') return 'left';
  const at = deps.now().toISOString();
  const order = await deps.orders.get(jobId);
  const backup = backupOf(order);
  if (decision.outcome === 'look' && backup) {
    const result = await committedResult(deps, backup, jobId);
    if (result) {
      const ended = await deps.jobs.endFor(pk, row, 'succeeded', at, { result });
      if (ended.outcome === 'moved') return 'left';
      const told = ended.token ? (await deps.tasks.succeed(ended.token, result)).outcome : 'no token';
      deps.log.info('a silent job had committed its backup', { jobId, backupId: backup.backupId, told });
      return 'completed';
    }
  }
  const end = decision.outcome === 'look' ? decision.without : decision;
  if (end.outcome === 'leave') return 'left';
  const ended = await deps.jobs.endFor(pk, row, end.as, at, { error: end.error });
  if (ended.outcome === 'moved') return 'left';
  const state = end.as === 'lost' ? 'lost' : 'failed';
  if (backup) await deps.backups.end(backup.clusterId, backup.backupId, state, end.error);
  const told = ended.token ? (await deps.tasks.fail(ended.token, end.error)).outcome : 'no token';
  deps.log.error(`ended as ${end.as}`, { jobId, execution: row.execution, cause: end.error.cause, told });
  return end.as;
}

/** Ends the jobs whose runners are gone, and answers their tasks. */
export async function reconcileLostJobs(
  deps: LostJobsDeps,
): Promise<{ live: number; lost: number; completed: number; failed: number }> {
  const nominated = await deps.jobs.nominateLive();
  const { done, failed } = await each(nominated, 10, deps.log, (row) => reconcileJob(deps, row));
  const count = (end: (typeof done)[number]) => done.filter((d) => d === end).length;
  return { live: count('left') + failed, lost: count('lost'), completed: count('completed'), failed };
}
