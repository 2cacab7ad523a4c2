import type { Receipt } from '../../contract/formats/receipt.ts';
import type { BackupRecord } from '../../contract/records/backup.ts';
import type { ClusterRecord } from '../../contract/records/cluster.ts';
import type { HostRecord } from '../../contract/records/host.ts';
import type { JobRow } from '../../contract/records/job.ts';
import { makeAgents } from '../../functions/catalog/agent.ts';
import { makeArchives } from '../../functions/catalog/archive.ts';
import type { BreachRecord } from '../../functions/catalog/breach.ts';
import type { Catalog } from '../../functions/catalog/catalog.ts';
import type { CoverageRecord } from '../../functions/catalog/coverage.ts';
import { compareFacts } from '../../functions/catalog/fold.ts';
import type { LockRecord } from '../../functions/catalog/lock.ts';
import { type OrderRecord, overAfter } from '../../functions/catalog/order.ts';
import type { PinRecord } from '../../functions/catalog/pin.ts';
import type { RetentionOff } from '../../functions/catalog/retention-switch.ts';
import type { SlotRecord } from '../../functions/catalog/slot.ts';
import type { Tombstone } from '../../functions/catalog/tombstone.ts';
import { makeMemoryDynamoDb } from './memory-dynamodb.ts';

/** The catalog in memory: the same answers as the tables give, held to them by `catalog-contract.ts`. */
export function makeMemoryCatalog(): Catalog {
  const clusters = new Map<string, ClusterRecord>();
  const hosts = new Map<string, HostRecord>();
  const locks = new Map<string, LockRecord>();
  const caps = new Map<string, Set<string>>();
  const pins = new Map<string, PinRecord>();
  const slots = new Map<string, SlotRecord>();
  const backups = new Map<string, BackupRecord>();
  const facts = new Map<string, Pick<Receipt, 'at' | 'fact'>>();
  const orders = new Map<string, OrderRecord>();
  const endedJobs = new Set<string>();
  const coverages = new Map<string, CoverageRecord>();
  const breaches = new Map<string, BreachRecord>();
  const rows = new Map<string, JobRow>();
  const tombstones = new Map<string, Tombstone>();
  let off: RetentionOff | undefined;
  const name = (...parts: string[]) => parts.join('|');
  const copy = structuredClone;
  const byName = <T>(map: Map<string, T>): T[] =>
    [...map.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, v]) => copy(v));

  /** Puts over the version that was read, as both kinds of registered records do. */
  const putOver = <T extends { registeredAt: string; state: string; ordered?: { at: string } | undefined }>(
    map: Map<string, T>,
    key: string,
    record: T,
    expected: T | undefined,
  ): boolean => {
    const known = map.get(key);
    const same =
      expected === undefined
        ? known === undefined
        : known?.registeredAt === expected.registeredAt &&
          known.state === expected.state &&
          known.ordered?.at === expected.ordered?.at;
    if (same) map.set(key, copy(record));
    return same;
  };
  const slot = (clusterId: string, s: string) => slots.get(name(clusterId, s));
  const backupKey = (clusterId: string, backupId: string) => name(clusterId, backupId);
  const strip = <T extends object>(record: T, ...fields: (keyof T)[]): T => {
    const rest = { ...record };
    for (const field of fields) delete rest[field];
    return rest;
  };

  const tables = { client: makeMemoryDynamoDb().client, table: 'catalog', jobs: 'jobs' };
  return {
    // Of these the tables in memory are the shorter double.
    agents: makeAgents(tables),
    archives: makeArchives(tables),
    clusters: {
      get: async (id) => copy(clusters.get(id)),
      list: async () => byName(clusters),
      put: async (record, expected) => putOver(clusters, record.document.clusterId, record, expected),
      restore: async (record) => void clusters.set(record.document.clusterId, copy(record)),
      async order(id, ordered) {
        const known = clusters.get(id);
        if (known === undefined || known.ordered !== undefined) return false;
        clusters.set(id, { ...known, ordered });
        return true;
      },
      async clearOrder(id, at) {
        const known = clusters.get(id);
        if (known?.ordered?.at !== at) return false;
        clusters.set(id, strip(known, 'ordered'));
        return true;
      },
    },
    hosts: {
      get: async (id) => copy(hosts.get(id)),
      list: async () => byName(hosts),
      put: async (record, expected) => putOver(hosts, record.document.hostId, record, expected),
      restore: async (record) => void hosts.set(record.document.hostId, copy(record)),
    },
    locks: {
      get: async (lock) => copy(locks.get(lock)),
      list: async () => byName(locks),
      async take(lock, execution, since) {
        const known = locks.get(lock);
        if (known && known.holder !== execution) {
          return { outcome: 'busy', holder: known.holder, since: known.since };
        }
        locks.set(lock, { v: 1, name: lock, holder: execution, since });
        return { outcome: 'held' };
      },
      async release(lock, execution) {
        if (locks.get(lock)?.holder !== execution) return { outcome: 'not-held' };
        locks.delete(lock);
        return { outcome: 'released' };
      },
    },
    leases: {
      list: async () =>
        [...caps].sort().map(([cap, holders]) => ({ name: cap, holders: [...holders].sort() })),
      async take(execution, leases) {
        const full = leases.filter((lease) => {
          const holders = caps.get(lease.name) ?? new Set();
          return !holders.has(execution) && holders.size >= lease.cap;
        });
        if (full.length > 0) return { outcome: 'full', names: full.map((lease) => lease.name) };
        for (const lease of leases)
          caps.set(lease.name, new Set([...(caps.get(lease.name) ?? []), execution]));
        return { outcome: 'taken' };
      },
      async release(execution, names) {
        for (const cap of names) caps.get(cap)?.delete(execution);
      },
      heldBy: async (execution) =>
        [...caps].sort().flatMap(([cap, holders]) => (holders.has(execution) ? [cap] : [])),
    },
    pins: {
      put: async (pin) => void pins.set(name(pin.clusterId, pin.backupId, pin.execution), copy(pin)),
      release: async (pin) => void pins.delete(name(pin.clusterId, pin.backupId, pin.execution)),
      of: async (clusterId, backupId) =>
        byName(pins).filter((pin) => pin.clusterId === clusterId && pin.backupId === backupId),
      ofExecution: async (clusterId, execution) =>
        byName(pins).filter((pin) => pin.clusterId === clusterId && pin.execution === execution),
      list: async () => byName(pins),
    },
    slots: {
      get: async (clusterId, s) => copy(slot(clusterId, s)),
      async open(clusterId, s, openedAt) {
        const known = slot(clusterId, s);
        if (known) return { outcome: 'exists', record: copy(known) };
        const record: SlotRecord = { v: 1, clusterId, slot: s, attempt: 1, state: 'open', openedAt };
        slots.set(name(clusterId, s), record);
        return { outcome: 'opened', record: copy(record) };
      },
      async openNext(clusterId, s, attempt, openedAt) {
        const known = slot(clusterId, s);
        if (known === undefined) throw new Error(`slot ${s} of ${clusterId} vanished from the catalog`);
        if (known.attempt !== attempt || known.state !== 'failed')
          return { outcome: 'changed', record: copy(known) };
        const record: SlotRecord = {
          ...strip(known, 'closedAt', 'error'),
          attempt: attempt + 1,
          state: 'open',
          openedAt,
        };
        slots.set(name(clusterId, s), record);
        return { outcome: 'opened', record: copy(record) };
      },
      async fail(clusterId, s, attempt, error, closedAt) {
        const known = slot(clusterId, s);
        if (known?.attempt !== attempt || known.state !== 'open') return { outcome: 'left' };
        slots.set(name(clusterId, s), { ...known, state: 'failed', error, closedAt });
        return { outcome: 'closed' };
      },
      async recordBackup(clusterId, s, attempt, backupId, closedAt) {
        const known = slot(clusterId, s);
        if (known?.state === 'recorded' && known.backupId !== backupId) {
          return { outcome: 'extra', backupId: known.backupId ?? '' };
        }
        const base = known ?? { v: 1 as const, clusterId, slot: s, attempt, openedAt: closedAt };
        slots.set(name(clusterId, s), {
          ...strip(base as SlotRecord, 'error'),
          state: 'recorded',
          backupId,
          closedAt,
        });
        return { outcome: 'recorded' };
      },
      list: async (clusterId, since) =>
        byName(slots).filter((record) => record.clusterId === clusterId && record.slot >= since),
    },
    backups: {
      get: async (clusterId, backupId) => copy(backups.get(backupKey(clusterId, backupId))),
      list: async (clusterId) =>
        byName(backups)
          .filter((backup) => backup.clusterId === clusterId)
          .sort((a, b) => (a.startedAt < b.startedAt ? 1 : -1)),
      async apply(receipt) {
        const key = backupKey(receipt.clusterId, receipt.backupId);
        const known = facts.get(key);
        if (known && compareFacts(known, receipt) > 0) return false;
        facts.set(key, { at: receipt.at, fact: receipt.fact });
        backups.set(key, copy(receipt.backup));
        return true;
      },
      async end(clusterId, backupId, state, error) {
        const key = backupKey(clusterId, backupId);
        const known = backups.get(key);
        if (known?.state !== 'running' || facts.has(key)) return { outcome: 'left' };
        backups.set(key, { ...known, state, error });
        return { outcome: 'ended' };
      },
      async cleared(clusterId, backupId, at) {
        const key = backupKey(clusterId, backupId);
        const known = backups.get(key);
        if ((known?.state !== 'failed' && known?.state !== 'lost') || facts.has(key)) return false;
        backups.set(key, { ...known, clearedAt: at });
        return true;
      },
    },
    tombstones: {
      async put(tombstone) {
        const key = name(tombstone.clusterId, tombstone.backupId);
        if (tombstones.has(key)) return false;
        tombstones.set(key, copy(tombstone));
        return true;
      },
      of: async (clusterId) => byName(tombstones).filter((t) => t.clusterId === clusterId),
      list: async () => byName(tombstones),
      async postpone({ clusterId, backupId }, notBefore) {
        const key = name(clusterId, backupId);
        const known = tombstones.get(key);
        if (known) tombstones.set(key, { ...known, notBefore });
      },
      remove: async ({ clusterId, backupId }) => void tombstones.delete(name(clusterId, backupId)),
    },
    retentionSwitch: {
      get: async () => copy(off),
      async turnOff(since, why) {
        off ??= { v: 1, since, why };
      },
      async turnOn(since) {
        if (off?.since !== since) return false;
        off = undefined;
        return true;
      },
    },
    coverages: {
      list: async () => byName(coverages),
      put: async (record) => void coverages.set(record.clusterId, copy(record)),
    },
    breaches: {
      list: async () => byName(breaches),
      async begin({ clusterId, kind }, at) {
        const key = name(clusterId, kind);
        if (breaches.has(key)) return false;
        breaches.set(key, { v: 1, clusterId, kind, state: 'beginning', since: at, claimedAt: at });
        return true;
      },
      async clear(seen, at, why) {
        const key = name(seen.clusterId, seen.kind);
        const known = breaches.get(key);
        if (known?.since !== seen.since || known.state !== 'open') return false;
        breaches.set(key, { ...known, state: 'clearing', claimedAt: at, clearedAt: at, why });
        return true;
      },
      async claim(seen, at) {
        const key = name(seen.clusterId, seen.kind);
        const known = breaches.get(key);
        const { since, state, claimedAt } = seen;
        if (known?.since !== since || known.state !== state || known.claimedAt !== claimedAt) return false;
        breaches.set(key, { ...known, claimedAt: at });
        return true;
      },
      async told(seen) {
        const key = name(seen.clusterId, seen.kind);
        const known = breaches.get(key);
        if (known?.since !== seen.since || known.state !== seen.state) return;
        if (seen.state === 'clearing') breaches.delete(key);
        else breaches.set(key, { ...known, state: 'open' });
      },
    },
    orders: {
      get: async (jobId) => copy(orders.get(jobId)),
      ofExecution: async (execution) =>
        byName(orders)
          .filter((order) => order.execution === execution)
          .map((order) => ({ jobId: order.jobId, userid: order.userid, over: overAfter(order) })),
      maybeLive: async () =>
        byName(orders)
          .filter(({ jobId }) => !endedJobs.has(jobId))
          .map(({ jobId, userid }) => ({ jobId, userid })),
      ended: async (jobId) => void endedJobs.add(jobId),
    },
    jobs: {
      get: async (userid, jobId) => copy(rows.get(name(userid, jobId))),
      async dispatch(job, userid, running) {
        const key = name(userid, job.jobId);
        const known = rows.get(key);
        if (known?.execution === job.execution) {
          if (!['queued', 'claimed', 'committing'].includes(known.state))
            return { outcome: 'ended', row: copy(known) };
          const renewed = job.token === undefined ? known : { ...known, token: job.token };
          rows.set(key, renewed);
          return { outcome: 'renewed', row: copy(renewed) };
        }
        const holder = job.lock === null ? undefined : locks.get(job.lock)?.holder;
        if (job.lock !== null && holder !== job.execution)
          return { outcome: 'lock-lost', holder: holder ?? null };
        const occupied = running && backups.has(backupKey(running.clusterId, running.backupId));
        if (known || orders.has(job.jobId) || occupied) return { outcome: 'conflict' };
        rows.set(key, copy(job));
        const { jobId, hostId, clusterId, order, execution, lock, createdAt, deadline } = job;
        orders.set(jobId, {
          v: 1,
          jobId,
          hostId,
          userid,
          clusterId,
          order,
          execution,
          lock,
          createdAt,
          deadline,
        });
        if (running) backups.set(backupKey(running.clusterId, running.backupId), copy(running));
        return { outcome: 'written' };
      },
      look: async (userid, jobId) => copy(rows.get(name(userid, jobId))),
      ofExecution: async (execution, at) =>
        byName(rows)
          .filter((row) => row.execution === execution)
          .map((row) => ({
            userid: row.pk,
            jobId: row.jobId,
            live: row.live === 'yes' && at <= overAfter(row),
          })),
      async cancel(userid, jobId, at) {
        const key = name(userid, jobId);
        const known = rows.get(key);
        if (known === undefined) return { outcome: 'gone' };
        if (known.state === 'queued') {
          rows.set(key, { ...strip(known, 'live', 'token'), state: 'cancelled', endedAt: at });
          return { outcome: 'ended' };
        }
        if (known.state === 'claimed') {
          rows.set(key, { ...known, state: 'cancelled' });
          return { outcome: 'told' };
        }
        if (known.state === 'committing') return { outcome: 'committing' };
        return { outcome: known.live === 'yes' ? 'told' : 'ended' };
      },
      async endFor(userid, seen, to, at, { error, result } = {}) {
        const key = name(userid, seen.jobId);
        const known = rows.get(key);
        if (known?.live !== 'yes' || known.state !== seen.state || known.beatAt !== seen.beatAt) {
          return { outcome: 'moved' };
        }
        rows.set(key, {
          ...strip(known, 'live', 'token'),
          state: to,
          endedAt: at,
          ...(error === undefined
            ? {}
            : { error: { ...error, cause: error.cause.slice(0, 4_000).toWellFormed() } }),
          ...(result === undefined ? {} : { result }),
        } as JobRow);
        return { outcome: 'ended', token: known.token ?? null };
      },
      async endByForce(userid, jobId, to, at, error) {
        const key = name(userid, jobId);
        const known = rows.get(key);
        if (known === undefined) return { token: null };
        rows.set(key, { ...strip(known, 'live', 'token'), state: to, endedAt: at, error } as JobRow);
        return { token: known.token ?? null };
      },
    },
  };
}
