import { createHash } from 'node:crypto';
import { type ErrorRecord, toErrorRecord } from '../../contract/errors/named-error.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey } from '../../contract/layout.ts';
import {
  type BackupOrder,
  type BackupResult,
  beatSeconds,
  claimSeconds,
  committingSeconds,
  type JobRow,
  lostSeconds,
} from '../../contract/records/job.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Jobs } from '../catalog/job.ts';
import { type JobAddress, type OrderRecord, type Orders, overAfter } from '../catalog/order.ts';
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

/**
 * The row with what control knows itself in place of what its host could have changed: with a deadline or a time to
 * be claimed of its own choice a host would keep its job, and what that stands on, for ever.
 */
export function trusted(row: JobRow, order: OrderRecord): JobRow {
  const { hostId, createdAt, execution, deadline = row.deadline } = order;
  const claimBy = new Date(Date.parse(createdAt) + claimSeconds * 1000).toISOString();
  return { ...row, hostId, createdAt, execution, deadline, claimBy };
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
  jobs: Pick<Jobs, 'look' | 'endFor' | 'endByForce'>;
  orders: Pick<Orders, 'get' | 'maybeLive' | 'ended'>;
  backups: Pick<Backups, 'end'>;
  tasks: Tasks;
  objectsOf: ObjectsOf;
  now: () => Date;
  log: Log;
};

/** The backup that control ordered with this job; nothing of it is taken from the host-writable row. */
const backupOf = ({ order }: OrderRecord): BackupOrder | undefined =>
  order.kind === 'backup' ? order : undefined;

/**
 * Larger manifests are left to Verify, which the execution comes to when its job is lost and which has the memory: a
 * host may put gigabytes there, and this pass is everybody's.
 */
const manifestBytesAtMost = 4 * 1024 * 1024;

/** Its manifest as a result; undefined where there is none, one of another job, one too large, or one that is none. */
async function committedResult(
  deps: LostJobsDeps,
  order: BackupOrder,
  jobId: string,
): Promise<BackupResult | undefined> {
  const objects = deps.objectsOf(order.site);
  const key = manifestKey(order);
  const found = await objects.head(key);
  if (!found || found.bytes > manifestBytesAtMost) return undefined;
  const stored = await objects.get(key);
  if (!stored) return undefined;
  let manifest: Manifest;
  try {
    manifest = decodeManifest(stored.body);
  } catch (thrown) {
    deps.log.error('a manifest cannot be read', { jobId, error: toErrorRecord(thrown) });
    return undefined;
  }
  if (manifest.jobId !== jobId) return undefined;
  return resultOf(manifest, createHash('sha256').update(stored.body).digest('hex'));
}

type Became = 'lost' | 'cancelled' | 'completed' | 'left' | 'gone';

/** Tells everybody who has to know that a job has ended in its runner's place. */
async function told(
  deps: LostJobsDeps,
  order: OrderRecord,
  end: { as: 'lost' | 'cancelled'; error: ErrorRecord },
  token: string | null,
): Promise<Became> {
  const { jobId, execution } = order;
  const backup = backupOf(order);
  const state = end.as === 'lost' ? 'lost' : 'failed';
  if (backup) await deps.backups.end(backup.clusterId, backup.backupId, state, end.error);
  const answer = token ? (await deps.tasks.fail(token, end.error)).outcome : 'no token';
  await deps.orders.ended(jobId);
  deps.log.error(`ended as ${end.as}`, { jobId, execution, cause: end.error.cause, told: answer });
  return end.as;
}

/** The row that decides, or why its job is ended whatever its row says. */
function judgeSeen(
  order: OrderRecord,
  seen: JobRow | 'spoilt',
  now: Date,
): { row: JobRow } | { error: ErrorRecord } {
  const ended = (why: string) => ({
    error: { name: 'Job.Lost', cause: `job ${order.jobId} on ${order.hostId} ${why}` },
  });
  if (seen === 'spoilt') return ended('has a row that cannot be read: its host has changed it');
  const over = overAfter(order);
  return now.toISOString() > over
    ? ended(`still claims to live after ${over}, its deadline and all that may follow it`)
    : { row: trusted(seen, order) };
}

/** One job that may be live, by a strong read of it (F51). Answers what became of it. */
async function reconcileJob(deps: LostJobsDeps, { userid, jobId }: JobAddress): Promise<Became> {
  const order = await deps.orders.get(jobId);
  const seen = order && (await deps.jobs.look(userid, jobId));
  if (!order || !seen || (seen !== 'spoilt' && seen.live !== 'yes')) {
    await deps.orders.ended(jobId);
    return 'gone';
  }
  const now = deps.now();
  const at = now.toISOString();
  const verdict = judgeSeen(order, seen, now);
  if ('error' in verdict) {
    const { error } = verdict;
    const { token } = await deps.jobs.endByForce(userid, jobId, 'lost', at, error);
    return told(deps, order, { as: 'lost', error }, token);
  }
  const { row } = verdict;
  const decision = decideLiveJob(row, now);
  if (decision.outcome === 'leave') return 'left';
  const backup = backupOf(order);
  if (decision.outcome === 'look' && backup) {
    const result = await committedResult(deps, backup, jobId);
    if (result) {
      const ended = await deps.jobs.endFor(userid, row, 'succeeded', at, { result });
      if (ended.outcome === 'moved') return 'left';
      const answer = ended.token ? (await deps.tasks.succeed(ended.token, result)).outcome : 'no token';
      await deps.orders.ended(jobId);
      deps.log.info('a silent job had committed its backup', {
        jobId,
        backupId: backup.backupId,
        told: answer,
      });
      return 'completed';
    }
  }
  const end = decision.outcome === 'look' ? decision.without : decision;
  if (end.outcome === 'leave') return 'left';
  const ended = await deps.jobs.endFor(userid, row, end.as, at, { error: end.error });
  return ended.outcome === 'moved' ? 'left' : told(deps, order, end, ended.token);
}

/** Ends the jobs whose runners are gone, and answers their tasks. */
export async function reconcileLostJobs(
  deps: LostJobsDeps,
): Promise<{ live: number; lost: number; completed: number; failed: number }> {
  const nominated = await deps.orders.maybeLive();
  const { done, failed } = await each(nominated, 10, deps.log, (job) => reconcileJob(deps, job));
  const count = (end: Became) => done.filter((d) => d === end).length;
  return { live: count('left') + failed, lost: count('lost'), completed: count('completed'), failed };
}
