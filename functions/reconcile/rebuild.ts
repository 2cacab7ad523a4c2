import { z } from 'zod';
import { NamedError, toErrorRecord } from '../../contract/errors/named-error.ts';
import {
  decodeClusterRecord,
  decodeHostRecord,
  decodeLogReceipt,
  decodeReceipt,
} from '../../contract/formats/codec.ts';
import type { LogReceipt } from '../../contract/formats/log-receipt.ts';
import type { Receipt } from '../../contract/formats/receipt.ts';
import { isLogReceipt, receiptsPrefix, registryPrefix } from '../../contract/layout.ts';
import { id } from '../../contract/records/ids.ts';
import type { Archives } from '../catalog/archive.ts';
import type { Backups } from '../catalog/backup.ts';
import type { Clusters } from '../catalog/cluster.ts';
import type { Hosts } from '../catalog/host.ts';
import type { RetentionSwitch } from '../catalog/retention-switch.ts';
import type { Slots } from '../catalog/slot.ts';
import { limited } from '../clients/limited.ts';
import type { Objects, ObjectsOf } from '../clients/objects.ts';
import type { Sites } from '../env/variables.ts';
import { makeLambda, type Refused, refused } from '../log/lambda.ts';
import type { Log } from '../log/log.ts';

/** Objects read at once: as many connections as the client has. */
const readsAtOnce = 64;
/** A function ends after 15 minutes; this leaves it two to finish what is in flight. */
const budgetSeconds = 780;
/** What an answer shows of objects that could not be read. */
const unreadableShown = 20;

export type RebuildDeps = {
  clusters: Pick<Clusters, 'restore'>;
  hosts: Pick<Hosts, 'restore'>;
  archives: Pick<Archives, 'restore' | 'putRange'>;
  backups: Pick<Backups, 'apply'>;
  slots: Pick<Slots, 'recordBackup'>;
  retentionSwitch: Pick<RetentionSwitch, 'turnOff'>;
  objectsOf: ObjectsOf;
  sites: Sites;
  now: () => Date;
};

export type RebuildAnswer = {
  /** `more`: call again with `after`. */
  outcome: 'rebuilt' | 'more';
  after: string | null;
  clusters: number;
  hosts: number;
  receipts: number;
  /** Keys and why; they count for nothing until somebody has looked. */
  unreadable: string[];
};

/**
 * The newest key of each cluster or host below `registry/<kind>s/`: keys are `<id>/<time>.json`, and times of one
 * precision sort as text.
 */
export function newestOfEach(keys: Iterable<string>): string[] {
  const newest = new Map<string, string>();
  for (const key of keys) {
    const of = key.slice(0, key.lastIndexOf('/'));
    const known = newest.get(of);
    if (known === undefined || key > known) newest.set(of, key);
  }
  return [...newest.values()].sort();
}

/** What the catalog is told for one receipt: its fact, and the slot its backup belongs to. */
async function applyReceipt(deps: RebuildDeps, receipt: Receipt): Promise<void> {
  await deps.backups.apply(receipt);
  const { clusterId, backupId, slot, attempt, extra, committedAt } = receipt.backup;
  if (slot !== null && !extra && committedAt !== undefined) {
    await deps.slots.recordBackup(clusterId, slot, attempt, backupId, committedAt);
  }
}

/**
 * An archive as it was when its timeline began, and the days that were complete. What came after them is found again by
 * Reconcile, by a walk back from what its archiver says.
 */
async function applyLogReceipt(deps: RebuildDeps, receipt: LogReceipt): Promise<void> {
  const { clusterId, set, timeline, at, archiver, range } = receipt;
  if (range) await deps.archives.putRange(range);
  if (!archiver) return;
  await deps.archives.restore({
    v: 1,
    clusterId,
    set,
    timeline,
    openedAt: at,
    ...archiver,
    since: at,
    newest: null,
    first: null,
    state: 'silent',
    reason: 'rebuilt from receipts',
    durableAt: null,
    broke: null,
    revision: 0,
  });
}

async function keysBelow(objects: Objects, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of objects.list(prefix)) if (key.endsWith('.json')) keys.push(key);
  return keys;
}

/** Reads and applies each key; what cannot be read is named and left out, so that one bad object does not hide the rest. */
function makeReader(objects: Objects, log: Log) {
  const unreadable: string[] = [];
  return {
    unreadable,
    async each<T>(
      keys: readonly string[],
      decode: (body: Uint8Array) => T,
      apply: (value: T) => Promise<void>,
    ): Promise<number> {
      const read = await limited(keys, readsAtOnce, async (key) => {
        const stored = await objects.get(key);
        let value: T;
        try {
          if (!stored) throw new NamedError('Verify.ObjectMissing', 'listed, and no longer there');
          value = decode(stored.body);
        } catch (thrown) {
          const { name, cause } = toErrorRecord(thrown);
          log.error('left out of the rebuild', { key, error: name, cause });
          unreadable.push(`${key}: ${name}: ${cause}`.slice(0, 500));
          return 0;
        }
        await apply(value);
        return 1;
      });
      return read.filter((n) => n === 1).length;
    },
  };
}

/**
 * Rebuilds the catalog from the registry and the receipts of a site: equal to the lost one in all but what passes
 * (locks, leases, pins, jobs and their orders, tombstones, coverage and breaches) and slots and attempts without a
 * manifest (F49). Receipts may come in any order and twice: a backup ends at its newest fact. Retention is off from
 * here on until somebody confirms the catalog. Manifests are not read: what control did not order and record has no
 * receipt.
 */
export const makeHandler = (deps: RebuildDeps) =>
  makeLambda({
    name: 'rebuild',
    event: z.strictObject({ v: z.literal(1), site: id, after: z.string().optional() }),
    onInvalid: 'refuse',
    handle: async ({ site: name, after }, log): Promise<RebuildAnswer | Refused> => {
      const site = deps.sites[name];
      if (!site) {
        const known = Object.keys(deps.sites).join(', ');
        return refused('Input.Invalid', `site: ${name} is no site of this installation; there are ${known}`, {
          field: 'site',
          value: name,
        });
      }
      const began = deps.now().getTime();
      // First of all: what is not back yet must not be missed by whoever deletes.
      await deps.retentionSwitch.turnOff(
        deps.now().toISOString(),
        `the catalog was rebuilt from site ${name}; call retention with confirm and this time once it is right`,
      );
      const objects = deps.objectsOf(site);
      const reader = makeReader(objects, log);
      const registry = async (kind: 'cluster' | 'host') =>
        newestOfEach(await keysBelow(objects, registryPrefix(kind)));
      const hosts = await reader.each(await registry('host'), decodeHostRecord, deps.hosts.restore);
      const clusters = await reader.each(
        await registry('cluster'),
        decodeClusterRecord,
        deps.clusters.restore,
      );
      let receipts = 0;
      let batch: string[] = [];
      let last = after ?? null;
      const flush = async () => {
        const logs = batch.filter(isLogReceipt);
        const backups = batch.filter((key) => !isLogReceipt(key));
        receipts += await reader.each(backups, decodeReceipt, (receipt) => applyReceipt(deps, receipt));
        receipts += await reader.each(logs, decodeLogReceipt, (receipt) => applyLogReceipt(deps, receipt));
        last = batch.at(-1) ?? last;
        batch = [];
      };
      let outcome: RebuildAnswer['outcome'] = 'rebuilt';
      for await (const key of objects.list(receiptsPrefix())) {
        if (!key.endsWith('.json') || (after !== undefined && key <= after)) continue;
        batch.push(key);
        if (batch.length < 10 * readsAtOnce) continue;
        await flush();
        if (deps.now().getTime() - began > budgetSeconds * 1000) {
          outcome = 'more';
          break;
        }
      }
      await flush();
      return {
        outcome,
        after: outcome === 'more' ? last : null,
        clusters,
        hosts,
        receipts,
        unreadable: reader.unreadable.slice(0, unreadableShown),
      };
    },
  });
