import { isDeepStrictEqual } from 'node:util';
import type { ErrorName } from '../../contract/errors/names.ts';
import type { IndexVolume } from '../../contract/formats/index-file.ts';
import type { Manifest, StreamSummary } from '../../contract/formats/manifest.ts';
import { indexKey } from '../../contract/layout.ts';
import type { BackupOrder } from '../../contract/records/job.ts';
import { type KeyPlace, keyPlace } from '../../contract/records/tool-key.ts';
import type { StoredObject } from '../clients/objects.ts';
import type { IndexRead } from './read-index.ts';

/** What is wrong with a stored backup, so that it is none. */
export type Fault = { name: ErrorName; cause: string };

/** Minutes by which a host's clock may differ from control's: runners set theirs by the answers they get (F53). */
const skewMinutes = 5;

/** A manifest's times lie between its order and now: by others its backup would stand before or after all others for ever. */
function judgeTimes(
  { startedAt, committedAt }: Pick<Manifest, 'startedAt' | 'committedAt'>,
  orderedAt: string,
  now: Date,
): string | undefined {
  const skew = skewMinutes * 60_000;
  const early = Date.parse(startedAt) < Date.parse(orderedAt) - skew;
  const late = Date.parse(committedAt) > now.getTime() + skew;
  return early || late || startedAt > committedAt
    ? `it says ${startedAt} to ${committedAt}; it was ordered at ${orderedAt} and it is ${now.toISOString()} now: is the clock of its host right?`
    : undefined;
}

/** What the streams add up to, as the metrics must say it. */
function judgeSums({ metrics, streams }: Pick<Manifest, 'metrics' | 'streams'>): string | undefined {
  const names = new Set(streams.map((s) => s.stream));
  if (names.size !== streams.length) return `it names ${streams.length} streams, only ${names.size} differ`;
  const sum = (of: (s: StreamSummary) => number) => streams.reduce((total, s) => total + of(s), 0);
  const pairs: [string, number, number][] = [
    ['bytes', metrics.bytes, sum((s) => s.bytes)],
    ['storedBytes', metrics.storedBytes, sum((s) => s.storedBytes)],
  ];
  const wrong = pairs.find(([, said, is]) => said !== is);
  return wrong && `its metrics say ${wrong[1]} ${wrong[0]}, its streams add up to ${wrong[2]}`;
}

/** What the tool did to its files, and where hosts have the key for it: of the manifest, and of the order. */
function toolPairs(
  { policy: { xtrabackup: said }, restore: { key } }: Pick<Manifest, 'policy' | 'restore'>,
  { policy: { xtrabackup: wanted } }: Pick<BackupOrder, 'policy'>,
): [string, unknown, unknown][] {
  const text = ({ kind, name, algorithm }: KeyPlace) => `${algorithm} of the ${kind} ${name.slice(0, 200)}`;
  const pairs: [string, unknown, unknown][] = [];
  if (!isDeepStrictEqual(said, wanted)) {
    pairs.push(['policy.xtrabackup', JSON.stringify(said), JSON.stringify(wanted)]);
  }
  if (key !== undefined) {
    pairs.push(['restore.key', text(key), wanted?.encrypt && text(keyPlace(wanted.encrypt))]);
  }
  return pairs;
}

/**
 * A manifest counts only for the order that named it: every id that both know must be the same, and what later
 * decisions of control take from it.
 */
export function judgeManifest(
  manifest: Manifest,
  order: BackupOrder,
  ordered: { jobId: string; createdAt: string },
  now: Date,
): Fault | undefined {
  const { jobId } = ordered;
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
    // A restore works within these.
    ['policy.stallSeconds', manifest.policy.stallSeconds, order.policy.stallSeconds],
    ['policy.memoryMiB', manifest.policy.memoryMiB, order.policy.memoryMiB],
    ['policy.deadlineHours', manifest.policy.deadlineHours, order.policy.deadlineHours],
    // And reads a key of its host where these say.
    ...toolPairs(manifest, order),
  ];
  const differing = pairs.filter(([, said, wanted]) => said !== wanted);
  if (differing.length > 0) {
    const text = differing.map(([field, said, wanted]) => `${field} is ${said}, ordered was ${wanted}`);
    return {
      name: 'Backup.Unknown',
      cause: `the manifest is not of the backup that was ordered: ${text.join('; ')}`,
    };
  }
  const why = judgeTimes(manifest, ordered.createdAt, now) ?? judgeSums(manifest);
  return why === undefined
    ? undefined
    : { name: 'Verify.ObjectDiffers', cause: `the manifest cannot be right: ${why}` };
}

/** Why an index is not even read: its key is not the one of its job. */
export function judgeIndexKey(
  manifest: Pick<Manifest, 'clusterId' | 'backupId'>,
  { stream, jobId, index: { key } }: StreamSummary,
): Fault | undefined {
  const rightKey = indexKey(manifest, jobId);
  return key === rightKey
    ? undefined
    : {
        name: 'Verify.ObjectDiffers',
        cause: `the index ${key.slice(0, 300)} of stream ${stream} should be ${rightKey}`,
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
  const elsewhere = judgeIndexKey(manifest, summary);
  if (elsewhere) return elsewhere;
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
