import { backupReceiptsPrefix, manifestKey } from '../../contract/layout.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Jobs } from '../catalog/job.ts';
import { type OrderRecord, type Orders, overAfter } from '../catalog/order.ts';
import type { Pins } from '../catalog/pin.ts';
import type { ExecutionStatus, Executions } from '../clients/executions.ts';
import type { Versions, VersionsOf } from '../clients/versions.ts';
import type { Sites } from '../env/variables.ts';

/** Everything that says whether what an attempt stored may go. */
export type StrayFacts = {
  backup: BackupRecord | undefined;
  /** Control's own copy of what was ordered. */
  order: OrderRecord | undefined;
  execution: ExecutionStatus['status'];
  jobLives: boolean;
  pinned: boolean;
  /** What of this is stored beside the volumes; either one keeps them. */
  manifest: boolean;
  receipt: boolean;
  /** A committed backup that builds on it, directly or through others. */
  child?: string | undefined;
};

export type StrayVerdict =
  /** Never to be deleted as a stray. */
  | { outcome: 'none'; why: string }
  /** Not to be judged before this instant (ISO 8601). */
  | { outcome: 'later'; until: string; why: string }
  | { outcome: 'stray' };

/** Between the first look, which sets the tombstone, and the second, after which is deleted. */
export const secondLookHours = 24;

/** How long something that is still going on is left alone before the next look. */
const laterMinutes = 60;

/** The order that control gave for this very backup, at one of its own sites. */
function isOurs(backup: BackupRecord, order: OrderRecord | undefined, sites: Sites): boolean {
  if (order?.order.kind !== 'backup' || order.execution !== backup.execution) return false;
  const { clusterId, backupId, site } = order.order;
  return (
    clusterId === backup.clusterId &&
    backupId === backup.backupId &&
    site.bucket === backup.site.bucket &&
    sites[site.site]?.bucket === site.bucket
  );
}

/**
 * Whether an attempt is a stray: ordered by us, ended without a manifest, and nobody can write one any more. A host
 * says when its job has ended and may lie, so its deadline must be over as well, which control keeps itself.
 */
export function judgeStray(facts: StrayFacts, sites: Sites, now: Date): StrayVerdict {
  const { backup, order } = facts;
  const none = (why: string): StrayVerdict => ({ outcome: 'none', why });
  const later = (why: string): StrayVerdict => ({
    outcome: 'later',
    until: new Date(now.getTime() + laterMinutes * 60_000).toISOString(),
    why,
  });
  if (backup === undefined) return none('no such backup is recorded');
  if (backup.state !== 'failed' && backup.state !== 'lost') return none(`it is ${backup.state}`);
  if (backup.committedAt !== undefined) return none('it was committed');
  if (backup.clearedAt !== undefined) return none('nothing is left of it');
  if (order === undefined || !isOurs(backup, order, sites)) return none('its order is not kept');
  if (facts.child !== undefined) return none(`backup ${facts.child} builds on it`);
  if (facts.manifest) return none('its manifest is stored');
  if (facts.receipt) return none('it has a receipt');
  const over = overAfter(order);
  if (now.toISOString() <= over) return { outcome: 'later', until: over, why: 'its deadline is not over' };
  if (facts.execution === 'open') return later('its execution is open');
  if (facts.jobLives) return later('a job of its execution lives');
  if (facts.pinned) return later('somebody reads it');
  return { outcome: 'stray' };
}

export type StrayDeps = {
  backups: Pick<Backups, 'get' | 'list'>;
  orders: Pick<Orders, 'get'>;
  jobs: Pick<Jobs, 'ofExecution'>;
  pins: Pick<Pins, 'of'>;
  executions: Pick<Executions, 'describe'>;
  versionsOf: VersionsOf;
  sites: Sites;
  now: () => Date;
};

/**
 * Whether any version is stored of this key (or, with a closing slash, below it). A list of versions is strongly
 * consistent, needs no right to read a byte, and sees what a delete marker would hide from HEAD.
 */
export async function isStored(versions: Versions, key: string): Promise<boolean> {
  const below = key.endsWith('/');
  for await (const page of versions.list(key)) {
    if (page.some((v) => !v.deleteMarker && (below || v.key === key))) return true;
    // Versions come in the order of their keys: behind the key itself, longer ones say nothing about it.
    if (!below && page.some((v) => v.key > key)) return false;
  }
  return false;
}

/** What would be true of an attempt of which nothing speaks against deleting it. */
const nothingAgainst = {
  execution: 'unknown',
  jobLives: false,
  pinned: false,
  manifest: false,
  receipt: false,
} as const;

/**
 * Judges one attempt by strong reads of all that decides. What is stored is looked at last, so that a manifest that
 * comes meanwhile is seen; where record and order decide already, nothing else is asked.
 */
export async function lookAtStray(
  deps: StrayDeps,
  { clusterId, backupId }: { clusterId: string; backupId: string },
): Promise<{ verdict: StrayVerdict; backup: BackupRecord | undefined }> {
  const now = deps.now();
  const backup = await deps.backups.get(clusterId, backupId);
  const order = backup && (await deps.orders.get(backup.jobId));
  const early = judgeStray({ backup, order, ...nothingAgainst }, deps.sites, now);
  if (backup === undefined || early.outcome !== 'stray') return { verdict: early, backup };
  const { status } = await deps.executions.describe(backup.execution);
  const jobs = await deps.jobs.ofExecution(backup.execution, now.toISOString());
  const versions = deps.versionsOf(backup.site);
  const child = (await deps.backups.list(clusterId)).find(
    (b) => b.committedAt !== undefined && b.backupId !== backupId && [b.chain, b.parent].includes(backupId),
  );
  const facts: StrayFacts = {
    backup,
    order,
    execution: status,
    jobLives: jobs.some((job) => job.live),
    child: child?.backupId,
    pinned: (await deps.pins.of(clusterId, backupId)).length > 0,
    receipt: await isStored(versions, backupReceiptsPrefix(backup)),
    manifest: await isStored(versions, manifestKey(backup)),
  };
  return { verdict: judgeStray(facts, deps.sites, now), backup };
}
