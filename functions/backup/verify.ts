import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ErrorRecord } from '../../contract/errors/named-error.ts';
import { toErrorRecord } from '../../contract/errors/named-error.ts';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { manifestKey, volumeKey } from '../../contract/layout.ts';
import { id, mintedId } from '../../contract/records/ids.ts';
import type { BackupOrder } from '../../contract/records/job.ts';
import type { Backups } from '../catalog/backup.ts';
import type { OrderRecord, Orders } from '../catalog/order.ts';
import { limited } from '../clients/limited.ts';
import type { Objects, ObjectsOf } from '../clients/objects.ts';
import { makeLambda } from '../log/lambda.ts';
import { type Fault, judgeIndex, judgeIndexKey, judgeManifest, judgeVolume } from './judge.ts';
import { judgeIncrement } from './judge-increment.ts';
import { confirmedSuspect, judgeMetrics } from './judge-metrics.ts';
import { type IndexRead, readIndex } from './read-index.ts';

type Checks = { volumes: number; bytes: number; manifestSha256: string; manifestVersionId: string | null };

export type VerifyAnswer =
  /** `confirms`: the suspect backup before it, which this one shows to be right; `reasons` then say so. */
  | { outcome: 'verified'; checks: Checks; reasons: string[]; confirms?: string }
  | { outcome: 'suspect'; checks: Checks; reasons: string[] }
  | { outcome: 'bad'; error: ErrorRecord };

export type VerifyDeps = {
  backups: Pick<Backups, 'get' | 'list'>;
  orders: Pick<Orders, 'get'>;
  objectsOf: ObjectsOf;
  now: () => Date;
};

/** A HEAD takes some 20 ms: 4,000 volumes with 64 at once are looked at in seconds. */
const headsAtOnce = 64;

/** Every stream's index and every volume that it lists; the first fault, or what was seen. */
async function judgeStored(
  manifest: Manifest,
  objects: Objects,
): Promise<Fault | { volumes: number; bytes: number }> {
  let volumes = 0;
  let bytes = 0;
  // The streams of one job have one index.
  const indexes = new Map<string, IndexRead | undefined>();
  for (const summary of manifest.streams) {
    const elsewhere = judgeIndexKey(manifest, summary);
    if (elsewhere) return elsewhere;
    const { key: indexKey, version } = summary.index;
    const known = `${indexKey} ${version}`;
    if (!indexes.has(known)) {
      const stored = await objects.stream(indexKey, version);
      indexes.set(known, stored && (await readIndex(stored)));
    }
    const index = indexes.get(known);
    const fault = judgeIndex(manifest, summary, index);
    if (fault) return fault;
    const rows = index?.outcome === 'read' ? (index.streams.get(summary.stream)?.volumes ?? []) : [];
    const faults = await limited(rows, headsAtOnce, async (volume) => {
      const key = volumeKey(manifest, summary.stream, volume.n);
      return judgeVolume(key, volume, await objects.head(key, volume.version));
    });
    const found = faults.filter((f) => f !== undefined);
    if (found[0]) {
      const more = found.length > 1 ? ` (and ${found.length - 1} more of ${rows.length} volumes)` : '';
      return { ...found[0], cause: `${found[0].cause}${more}` };
    }
    volumes += rows.length;
    bytes += summary.storedBytes;
  }
  return { volumes, bytes };
}

/** A manifest is small whatever the backup's size; with the facts of 100,000 tables it has about 20 MB. */
const manifestBytesAtMost = 64 * 1024 * 1024;

/** Reads the text of a manifest and lets the order judge it. */
function openManifest(
  body: Uint8Array,
  order: BackupOrder,
  ordered: OrderRecord,
  now: Date,
): Manifest | Fault {
  try {
    const manifest = decodeManifest(body);
    return judgeManifest(manifest, order, ordered, now) ?? manifest;
  } catch (thrown) {
    return { name: 'Verify.ObjectDiffers', cause: toErrorRecord(thrown).cause };
  }
}

const isFault = (value: object): value is Fault => 'cause' in value && 'name' in value;
const bad = ({ name, cause }: Fault): VerifyAnswer => ({ outcome: 'bad', error: { name, cause } });

/**
 * Verifies what is stored of an ordered backup, without reading a volume again: presence, size and stored checksum
 * of each equal the index, the index equals the manifest, the manifest equals the order. `bad` is no backup at all,
 * `suspect` a complete one that is not as expected, unless the suspect one before it shows that the change is real.
 */
export function makeHandler(deps: VerifyDeps) {
  /** The parent as it is recorded, and as its own manifest says it: the LSN that all stands on is in both. */
  async function judgeJoint(manifest: Manifest, order: BackupOrder, objects: Objects) {
    const { level, parent } = order.plan;
    if (level === 'full') return undefined;
    const record = parent === null ? undefined : await deps.backups.get(order.clusterId, parent);
    const stored = record && (await objects.get(manifestKey(record)));
    return judgeIncrement(manifest, order, record, stored?.body);
  }

  return makeLambda<typeof event, VerifyAnswer>({
    name: 'verify',
    event,
    onInvalid: 'throw',
    handle: async ({ clusterId, backupId }) => {
      const place = { clusterId, backupId };
      const backup = await deps.backups.get(clusterId, backupId);
      const ordered = backup && (await deps.orders.get(backup.jobId));
      if (backup === undefined || ordered?.order.kind !== 'backup') {
        return bad({
          name: 'Backup.Unknown',
          cause: `no job was ordered for backup ${backupId} of ${clusterId}`,
        });
      }
      const { order } = ordered;
      const objects = deps.objectsOf(order.site);
      const key = manifestKey(place);
      const found = await objects.head(key);
      if (found && found.bytes > manifestBytesAtMost) {
        return bad({
          name: 'Verify.ObjectDiffers',
          cause: `the manifest ${key} has ${found.bytes} bytes; at most ${manifestBytesAtMost} are read`,
        });
      }
      const stored = found && (await objects.get(key));
      if (stored === undefined) {
        return bad({
          name: 'Verify.ObjectMissing',
          cause: `the manifest ${key} is not stored in ${order.site.bucket}`,
        });
      }
      const manifest = openManifest(stored.body, order, ordered, deps.now());
      if (isFault(manifest)) return bad(manifest);
      const unjoined = await judgeJoint(manifest, order, objects);
      if (unjoined) return bad(unjoined);
      const seen = await judgeStored(manifest, objects);
      if (isFault(seen)) return bad(seen);
      const history = await deps.backups.list(clusterId);
      const reasons = judgeMetrics(manifest, history, order.policy.bandPercent);
      const checks: Checks = {
        ...seen,
        manifestSha256: createHash('sha256').update(stored.body).digest('hex'),
        manifestVersionId: stored.versionId,
      };
      if (reasons.length === 0) return { outcome: 'verified', checks, reasons };
      const confirmed = confirmedSuspect(manifest, history, order.policy.bandPercent);
      if (confirmed === undefined) return { outcome: 'suspect', checks, reasons };
      return { outcome: 'verified', checks, reasons: [confirmed.reason], confirms: confirmed.backupId };
    },
  });
}

const event = z.object({ clusterId: id, backupId: mintedId, execution: z.string().min(1) });
