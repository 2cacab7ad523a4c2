/**
 * Every key in the buckets, built here and nowhere else. Ids come validated (`records/ids.ts`), so that a
 * name can never climb out of its prefix.
 */

const sixDigits = (n: number) => String(n).padStart(6, '0');

/** Where one backup of one cluster lives. */
export type BackupPlace = { clusterId: string; backupId: string };

/** `<clusterId>/backups/<backupId>/`, with the closing slash that keeps `a` from matching `ab`. */
export const backupPrefix = ({ clusterId, backupId }: BackupPlace) => `${clusterId}/backups/${backupId}/`;

/** The n-th volume of a stream, counted from 0. */
export const volumeKey = (place: BackupPlace, stream: string, n: number) =>
  `${backupPrefix(place)}volumes/${stream}/${sixDigits(n)}`;

/** The index that one job wrote: zstd-compressed JSON lines. */
export const indexKey = (place: BackupPlace, jobId: string) =>
  `${backupPrefix(place)}index/${jobId}.jsonl.zst`;

/** The runner's and the tool's log of one job, redacted. */
export const logKey = (place: BackupPlace, jobId: string) => `${backupPrefix(place)}log/${jobId}.zst`;

/** The last object of a backup; without it there is no backup. */
export const manifestKey = (place: BackupPlace) => `${backupPrefix(place)}manifest.json`;

/** All backups of a cluster, for the walk of reconcile and rebuild. */
export const backupsPrefix = (clusterId: string) => `${clusterId}/backups/`;

/** `receipts/<clusterId>/<backupId>/<time>-<fact>.json`; time is that of the cause, so a second call meets its own receipt. */
export const receiptKey = (place: BackupPlace, time: string, fact: string) =>
  `receipts/${place.clusterId}/${place.backupId}/${time}-${fact}.json`;

/** All receipts. Ids of clusters cannot be `receipts` or `registry` (`records/ids.ts`). */
export const receiptsPrefix = (clusterId?: string) => (clusterId ? `receipts/${clusterId}/` : 'receipts/');

/** The receipts of one backup. */
export const backupReceiptsPrefix = ({ clusterId, backupId }: BackupPlace) =>
  `receipts/${clusterId}/${backupId}/`;

/** Everything of a cluster, and its archived logs. */
export const clusterPrefix = (clusterId: string) => `${clusterId}/`;
export const logsPrefix = (clusterId: string) => `${clusterId}/logs/`;

/** One unbroken history of one set, as control named it. */
export type TimelinePlace = { clusterId: string; set: string; timeline: string };

/** `<clusterId>/logs/<set>/<timeline>/`, and one day of it (`2026-11-23`, UTC, when the segment was sealed). */
export const timelinePrefix = ({ clusterId, set, timeline }: TimelinePlace) =>
  `${logsPrefix(clusterId)}${set}/${timeline}/`;
export const segmentDayPrefix = (place: TimelinePlace, day: string) => `${timelinePrefix(place)}${day}/`;

/** Where one segment lies: `seq` counts from 0 along a timeline, `random` is 16 hex digits, so that no other host can occupy the key. */
export type SegmentPlace = TimelinePlace & { day: string; seq: number; random: string };

export const segmentKey = (place: SegmentPlace) =>
  `${segmentDayPrefix(place, place.day)}${String(place.seq).padStart(9, '0')}-${place.random}.segment`;

const segmentKeyPattern =
  /^([a-z0-9-]{1,40})\/logs\/([a-z0-9-]{1,40})\/([A-Za-z0-9-]{1,64})\/(\d{4}-\d{2}-\d{2})\/(\d{9})-([0-9a-f]{16})\.segment$/;

/** The parts of a segment's key; undefined where it is none. */
export function segmentPlaceOf(key: string): SegmentPlace | undefined {
  const match = segmentKeyPattern.exec(key);
  if (!match) return undefined;
  const [, clusterId, set, timeline, day, seq, random] = match;
  return {
    clusterId: clusterId!,
    set: set!,
    timeline: timeline!,
    day: day!,
    seq: Number(seq),
    random: random!,
  };
}

/** `receipts/<clusterId>/logs/<set>/<timeline>/<time>-<fact>.json`. */
export const logReceiptsPrefix = ({ clusterId, set, timeline }: TimelinePlace) =>
  `receipts/${clusterId}/logs/${set}/${timeline}/`;
export const logReceiptKey = (place: TimelinePlace, time: string, fact: string) =>
  `${logReceiptsPrefix(place)}${time}-${fact}.json`;

/** Whether a receipt is about an archive; ids of backups carry their time and are never `logs`. */
export const isLogReceipt = (key: string) => key.split('/')[2] === 'logs';

/** The folders beside those of clusters. */
export const controlFolders: readonly string[] = ['receipts', 'registry'];

/** A cluster or host as registered; the newest write is the truth (the bucket is versioned, the key carries the time). */
export const registryKey = (kind: 'cluster' | 'host', id: string, time: string) =>
  `registry/${kind}s/${id}/${time}.json`;
export const registryPrefix = (kind: 'cluster' | 'host') => `registry/${kind}s/`;

/** The list of due clusters of one slot, in the scratch bucket. */
export const dueListKey = (policy: string, slot: string, nonce: string) =>
  `due/${policy}/${slot}-${nonce}.jsonl`;
