import type { ErrorName } from '../../contract/errors/names.ts';
import type { IndexVolume } from '../../contract/formats/index-file.ts';
import type { Manifest, StreamSummary } from '../../contract/formats/manifest.ts';
import { indexKey } from '../../contract/layout.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { BackupOrder } from '../../contract/records/job.ts';
import type { StoredObject } from '../clients/objects.ts';
import type { IndexRead } from './read-index.ts';

/** What is wrong with a stored backup, so that it is none. */
export type Fault = { name: ErrorName; cause: string };

/** A manifest counts only for the order that named it: every id that both know must be the same. */
export function judgeManifest(manifest: Manifest, order: BackupOrder, jobId: string): Fault | undefined {
  const pairs: [string, unknown, unknown][] = [
    ['clusterId', manifest.clusterId, order.clusterId],
    ['backupId', manifest.backupId, order.backupId],
    ['jobId', manifest.jobId, jobId],
    ['memberId', manifest.memberId, order.member.memberId],
    ['hostId', manifest.hostId, order.member.hostId],
    ['slot', manifest.slot, order.slot],
    ['engine', manifest.engine, order.engine],
    ['flavour', manifest.flavour, order.flavour],
    ['site.bucket', manifest.site.bucket, order.site.bucket],
    ['plan.method', manifest.plan.method, order.plan.method],
    ['plan.level', manifest.plan.level, order.plan.level],
    ['plan.chain', manifest.plan.chain, order.plan.chain],
    ['plan.parent', manifest.plan.parent, order.plan.parent],
    ['plan.timeline', manifest.plan.timeline, order.plan.timeline],
  ];
  const differing = pairs.filter(([, said, ordered]) => said !== ordered);
  if (differing.length === 0) return undefined;
  const text = differing.map(([field, said, ordered]) => `${field} is ${said}, ordered was ${ordered}`);
  return {
    name: 'Backup.Unknown',
    cause: `the manifest is not of the backup that was ordered: ${text.join('; ')}`,
  };
}

/** The index is the one that the manifest sealed, of this backup, and its rows add up to the manifest's summary. */
export function judgeIndex(
  manifest: Pick<Manifest, 'clusterId' | 'backupId'>,
  summary: StreamSummary,
  index: IndexRead | undefined,
): Fault | undefined {
  const { key, sha256, bytes } = summary.index;
  const differs = (what: string): Fault => ({
    name: 'Verify.ObjectDiffers',
    cause: `the index ${key} ${what}`,
  });
  const rightKey = indexKey(manifest, summary.jobId);
  if (key !== rightKey) return differs(`of stream ${summary.stream} should be ${rightKey}`);
  if (index === undefined) return { name: 'Verify.ObjectMissing', cause: `the index ${key} is not stored` };
  if (index.outcome === 'unreadable') return differs(`cannot be read: ${index.cause}`);
  if (index.sha256 !== sha256 || index.bytes !== bytes) {
    return differs(
      `has ${index.bytes} bytes with SHA-256 ${index.sha256}; the manifest says ${bytes} with ${sha256}`,
    );
  }
  const { clusterId, backupId, jobId } = index;
  if (clusterId !== manifest.clusterId || backupId !== manifest.backupId || jobId !== summary.jobId) {
    return differs(`is of ${clusterId}, ${backupId}, ${jobId}`);
  }
  const stream = index.streams.get(summary.stream);
  if (stream === undefined) return differs(`has no stream ${summary.stream}`);
  const numbers = stream.volumes.map((volume) => volume.n).toSorted((a, b) => a - b);
  if (numbers.length !== summary.volumes || numbers.some((n, i) => n !== i)) {
    return differs(`lists ${numbers.length} volumes, not each of 0 to ${summary.volumes - 1} once`);
  }
  const inVolumes = stream.volumes.reduce((sum, volume) => sum + volume.bytes, 0);
  const sums: [string, number, number][] = [
    ['bytes in its volumes', inVolumes, summary.storedBytes],
    ['stored bytes in its frames', stream.storedBytes, summary.storedBytes],
    ['bytes of stream in its frames', stream.bytes, summary.bytes],
    ['frames', stream.frames, summary.frames],
  ];
  const wrong = sums.find(([, found, said]) => found !== said);
  if (wrong) return differs(`has ${wrong[1]} ${wrong[0]}; the manifest says ${wrong[2]}`);
  return stream.contiguous
    ? undefined
    : differs(`has frames of stream ${summary.stream} with holes or overlaps`);
}

/** A stored volume against its row: presence, size and S3's own checksum. A checksum that S3 does not keep proves nothing. */
export function judgeVolume(
  key: string,
  volume: IndexVolume,
  stored: StoredObject | undefined,
): Fault | undefined {
  const at = volume.version === null ? key : `${key} (version ${volume.version})`;
  if (stored === undefined) return { name: 'Verify.ObjectMissing', cause: `${at} is not stored` };
  if (stored.bytes !== volume.bytes || stored.crc32 !== volume.crc) {
    return {
      name: 'Verify.ObjectDiffers',
      cause: `${at} has ${stored.bytes} bytes with CRC32 ${stored.crc32 ?? 'not kept'}; the index says ${volume.bytes} with ${volume.crc}`,
    };
  }
  return undefined;
}

/** How many of the last good backups the band is laid around. */
const historyLength = 7;

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

/**
 * Sentences that make a complete backup suspect; none when it is as expected. Bytes must lie within the policy's
 * band around the median of the last verified or proven ones of the same method and level; tables and rows must not
 * fall below it (growth is how databases live); nothing at all is suspect even without a history (F74).
 */
export function judgeMetrics(
  manifest: Pick<Manifest, 'metrics' | 'plan' | 'backupId'>,
  history: readonly BackupRecord[],
  bandPercent: number,
): string[] {
  const { metrics, plan } = manifest;
  const good = history
    .filter((b) => b.state === 'verified' || b.state === 'proven')
    .filter((b) => b.backupId !== manifest.backupId && b.method === plan.method && b.level === plan.level)
    .slice(0, historyLength);
  const reasons: string[] = [];
  if (metrics.tables === 0) reasons.push('it holds no table');
  else if (metrics.rows === 0) reasons.push(`none of its ${metrics.tables} tables has a row`);
  const around = (name: string, value: number, past: readonly (number | undefined)[], both: boolean) => {
    const known = past.filter((v) => v !== undefined);
    if (known.length === 0) return;
    const middle = median(known);
    const low = middle * (1 - bandPercent / 100);
    const high = middle * (1 + bandPercent / 100);
    if (value >= low && (!both || value <= high)) return;
    const band = both ? `${Math.round(low)} to ${Math.round(high)}` : `at least ${Math.round(low)}`;
    reasons.push(
      `it has ${value} ${name}; the last ${known.length} good backups have ${Math.round(middle)} in the middle, ${band} would be within ${bandPercent} %`,
    );
  };
  around(
    'bytes',
    metrics.bytes,
    good.map((b) => b.bytes),
    true,
  );
  around(
    'tables',
    metrics.tables,
    good.map((b) => b.tables),
    false,
  );
  around(
    'rows',
    metrics.rows,
    good.map((b) => b.rows),
    false,
  );
  return reasons;
}
