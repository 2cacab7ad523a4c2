import { createHash } from 'node:crypto';
import { z } from 'zod';
import { NamedError } from '../../contract/errors/named-error.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import type { Receipt } from '../../contract/formats/receipt.ts';
import { manifestKey } from '../../contract/layout.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import { id, mintedId, sha256Hex, slotId } from '../../contract/records/ids.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import { compareFacts } from '../catalog/fold.ts';
import type { Slots } from '../catalog/slot.ts';
import type { ObjectsOf } from '../clients/objects.ts';
import { makeLambda } from '../log/lambda.ts';
import { backupBefore } from './judge-metrics.ts';
import { originOf } from './origin.ts';
import { whyOf } from './plan-backup.ts';
import { writeReceipt } from './write-receipt.ts';

export type RecordAnswer = {
  outcome: 'recorded';
  state: 'verified' | 'suspect';
  extra: boolean;
  method: BackupRecord['method'];
  level: BackupRecord['level'];
  /** What the plan said: why this method, level and member. */
  why: string[];
  bytes: number;
  storedBytes: number;
  seconds: number;
  volumes: number;
  reasons: string[];
};

export type RecordDeps = {
  backups: Pick<Backups, 'get' | 'apply' | 'list'>;
  clusters: Pick<Clusters, 'order'>;
  slots: Pick<Slots, 'recordBackup'>;
  objectsOf: ObjectsOf;
};

/** The record of a backup as its manifest tells it, in state `committed`. */
export function committedRecord(
  ordered: BackupRecord,
  manifest: Manifest,
  seen: { manifestSha256: string; manifestVersionId: string | null; attempt: number; extra: boolean },
): BackupRecord {
  const origin = originOf(manifest);
  const { error: _error, verifiedAt: _verifiedAt, provenAt: _provenAt, ...base } = ordered;
  return {
    ...base,
    attempt: seen.attempt,
    state: 'committed',
    extra: seen.extra,
    reasons: [],
    startedAt: manifest.startedAt,
    committedAt: manifest.committedAt,
    manifestSha256: seen.manifestSha256,
    ...(seen.manifestVersionId === null ? {} : { manifestVersionId: seen.manifestVersionId }),
    why: whyOf(manifest.plan),
    chain: manifest.plan.chain,
    parent: manifest.plan.parent,
    timeline: manifest.plan.timeline,
    bytes: manifest.metrics.bytes,
    storedBytes: manifest.metrics.storedBytes,
    volumes: manifest.streams.reduce((sum, stream) => sum + stream.volumes, 0),
    tables: manifest.metrics.tables,
    rows: manifest.metrics.rows,
    position: manifest.position,
    comparison: manifest.comparison,
    serverVersion: manifest.server.version,
    toolVersion: manifest.tool.version,
    restoreBytes: manifest.restore.bytes,
    lsn: manifest.lsn,
    role: manifest.server.role,
    ...(origin === undefined ? {} : { origin }),
  };
}

/** The two receipts of a backup that was verified or found suspect; both bear the time of the commit, so that a second call meets them. */
export function receiptsOf(
  committed: BackupRecord,
  verdict: 'verified' | 'suspect',
  reasons: string[],
  by: string,
): [Receipt, Receipt] {
  const at = committed.committedAt ?? committed.startedAt;
  const base = { v: 1 as const, clusterId: committed.clusterId, backupId: committed.backupId, at, by };
  return [
    { ...base, fact: 'committed', reasons: [], backup: committed },
    { ...base, fact: verdict, reasons, backup: { ...committed, state: verdict, reasons, verifiedAt: at } },
  ];
}

/**
 * The receipt that makes a suspect backup verified, since the one after it shows the same. Its time is that of the
 * later commit; never that of the suspicion or before, so that the fold keeps its order where hosts' clocks differ (F53).
 */
export function confirmationOf(
  suspect: BackupRecord,
  later: Pick<BackupRecord, 'committedAt' | 'startedAt'>,
  reasons: string[],
  by: string,
): Receipt {
  const suspected = suspect.verifiedAt ?? suspect.committedAt ?? suspect.startedAt;
  const committed = later.committedAt ?? later.startedAt;
  const at = committed > suspected ? committed : new Date(Date.parse(suspected) + 1).toISOString();
  const { clusterId, backupId } = suspect;
  const backup: BackupRecord = { ...suspect, state: 'verified', reasons, verifiedAt: at };
  return { v: 1, fact: 'verified', clusterId, backupId, at, by, reasons, backup };
}

/** What an execution's input takes as a reason. */
const reasonLength = 500;

/**
 * The order for one new full after a suspect backup; undefined where the backup before it is suspect as well, since
 * that has ordered one already. Its time is that of the cause, so that a second call orders the same backup.
 */
export function orderAfter(
  suspect: BackupRecord,
  history: readonly BackupRecord[],
): { level: 'full'; reason: string; at: string } | undefined {
  if (backupBefore(suspect, history)?.state === 'suspect') return undefined;
  const reason = `backup ${suspect.backupId} is suspect: ${suspect.reasons.join('; ')}`;
  return {
    level: 'full',
    reason: reason.slice(0, reasonLength),
    at: suspect.committedAt ?? suspect.startedAt,
  };
}

/**
 * Records a backup: its slot first (one backup is recorded per slot, a second one is an extra), then the receipts,
 * then the catalog. Called twice, everything meets itself; where the other verdict was written before, the later
 * fact stands in receipts and catalog alike, and is what is answered. A suspect one orders one new backup; a verified
 * one may confirm the suspect one before it.
 */
export function makeHandler(deps: RecordDeps) {
  return makeLambda<typeof eventSchema, RecordAnswer>({
    name: 'record',
    event: eventSchema,
    onInvalid: 'throw',
    handle: async (event, log) => {
      const { execution, clusterId, backupId, slot, attempt, verdict, reasons, manifestSha256, confirms } =
        event;
      const ordered = await deps.backups.get(clusterId, backupId);
      if (ordered === undefined) {
        throw new NamedError('Backup.Unknown', `backup ${backupId} of ${clusterId} was never ordered`);
      }
      const objects = deps.objectsOf(ordered.site);
      const key = manifestKey({ clusterId, backupId });
      const stored = await objects.get(key);
      if (stored === undefined) {
        throw new NamedError(
          'Verify.ObjectMissing',
          `the manifest ${key} is no longer stored in ${objects.bucket}`,
        );
      }
      const sha256 = createHash('sha256').update(stored.body).digest('hex');
      if (manifestSha256 !== undefined && manifestSha256 !== sha256) {
        throw new NamedError('Verify.ObjectDiffers', `the manifest ${key} is not the one that was verified`);
      }
      const manifest = decodeManifest(stored.body);
      const claimed =
        slot === null
          ? undefined
          : await deps.slots.recordBackup(clusterId, slot, attempt, backupId, manifest.committedAt);
      const committed = committedRecord(ordered, manifest, {
        manifestSha256: sha256,
        manifestVersionId: stored.versionId,
        attempt,
        extra: claimed?.outcome === 'extra',
      });
      const written: Receipt[] = [];
      for (const receipt of receiptsOf(committed, verdict, reasons, execution)) {
        const counting = await writeReceipt(objects, receipt);
        await deps.backups.apply(counting);
        written.push(counting);
      }
      const newest = written.toSorted(compareFacts).at(-1)?.backup ?? committed;
      const standing = (await deps.backups.get(clusterId, backupId)) ?? newest;
      if (standing.state === 'suspect') {
        const order = orderAfter(standing, await deps.backups.list(clusterId));
        const ordered = order !== undefined && (await deps.clusters.order(clusterId, order));
        log.info('suspect', { ordered, reasons: standing.reasons });
      } else if (confirms) {
        const suspect = await deps.backups.get(clusterId, confirms);
        if (suspect?.state === 'suspect') {
          const receipt = confirmationOf(suspect, committed, reasons, execution);
          await deps.backups.apply(await writeReceipt(deps.objectsOf(suspect.site), receipt));
          log.info('confirmed a suspect backup', { confirms });
        }
      }
      return {
        outcome: 'recorded',
        state: standing.state === 'suspect' ? 'suspect' : verdict,
        extra: standing.extra,
        method: standing.method,
        level: standing.level,
        why: standing.why ?? [],
        bytes: manifest.metrics.bytes,
        storedBytes: manifest.metrics.storedBytes,
        seconds: manifest.metrics.seconds,
        volumes: committed.volumes ?? 0,
        reasons: standing.reasons,
      };
    },
  });
}

const eventSchema = z.object({
  execution: z.string().min(1),
  clusterId: id,
  backupId: mintedId,
  slot: slotId.nullable(),
  attempt: z.int().min(1),
  verdict: z.enum(['verified', 'suspect']),
  reasons: z.array(z.string()).max(100),
  /** As verify saw it; another one is refused. */
  manifestSha256: sha256Hex.optional(),
  /** The suspect backup that this one shows to be right. */
  confirms: mintedId.nullish(),
});
