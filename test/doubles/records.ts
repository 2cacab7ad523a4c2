import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeManifest } from '../../contract/formats/codec.ts';
import type { Manifest } from '../../contract/formats/manifest.ts';
import { type BackupRecord, backupRecordSchema } from '../../contract/records/backup.ts';
import { type ClusterRecord, clusterRecordSchema, type Member } from '../../contract/records/cluster.ts';
import { type HostRecord, hostRecordSchema } from '../../contract/records/host.ts';
import {
  type BackupOrder,
  backupOrderSchema,
  type CheckResult,
  checkResultSchema,
  type JobRow,
  jobKey,
  jobRowSchema,
  type MemberInspection,
} from '../../contract/records/job.ts';
import { type Policy, policySchema } from '../../contract/records/policy.ts';
import type { CoverageRecord } from '../../functions/catalog/coverage.ts';

/** Records for tests, made from the kept example of each format. Each call gives a copy of its own. */
const fixtures = join(import.meta.dirname, '../fixtures/formats/v1');
const text = (name: string) => readFileSync(join(fixtures, `${name}.json`), 'utf8');
const json = (name: string): unknown => JSON.parse(text(name));

export const aPolicy = (change: Partial<Policy> = {}): Policy => ({
  ...policySchema.parse(json('policy')),
  ...change,
});

export const aMember = (memberId: string, hostId: string): Member => ({
  memberId,
  set: 'main',
  hostId,
  socket: '/run/mysqld/mysqld.sock',
  datadir: '/var/lib/mysql',
  credential: { kind: 'socket', user: 'root' },
});

/** Cluster `orders`: a primary on i-a and its replica on i-b. */
export const aCluster = (document: Partial<ClusterRecord['document']> = {}): ClusterRecord => {
  const record = clusterRecordSchema.parse(json('cluster'));
  const { ordered: _, ...rest } = record;
  return {
    ...rest,
    state: 'registered',
    document: {
      ...record.document,
      members: [aMember('orders-a', 'i-a'), aMember('orders-b', 'i-b')],
      ...document,
    },
  };
};

export const aHost = (hostId: string, document: Partial<HostRecord['document']> = {}): HostRecord => {
  const record = hostRecordSchema.parse(json('host'));
  const { physicalHost: _, ...rest } = record.document;
  return {
    ...record,
    userid: `AROAEXAMPLE:${hostId}`,
    state: 'registered',
    document: { ...rest, hostId, ...document },
  };
};

export const anOrder = (change: Partial<BackupOrder> = {}): BackupOrder => ({
  ...backupOrderSchema.parse(json('order-backup')),
  ...change,
});

export const aManifest = (change: Partial<Manifest> = {}): Manifest => ({
  ...decodeManifest(text('manifest')),
  ...change,
});

export const aBackup = (change: Partial<BackupRecord> = {}): BackupRecord => ({
  ...backupRecordSchema.parse(json('backup')),
  ...change,
});

/** Cluster `orders` as seen after that backup. */
export const aCoverage = (change: Partial<CoverageRecord> = {}): CoverageRecord => {
  const { backupId, state, slot, startedAt, execution } = aBackup();
  return {
    v: 1,
    clusterId: 'orders',
    watchedSince: '2026-11-01T08:00:00.000Z',
    plan: 'nightly 0 2 * * * Europe/Berlin',
    counted: { backupId, state, slot, startedAt, execution },
    underWay: null,
    lost: null,
    suspect: null,
    slots: [{ slot: '20261123T0100Z', attempt: 1, state: 'recorded', openedAt: '2026-11-23T01:00:05.000Z' }],
    unclaimed: { count: 0, first: [] },
    ...change,
  };
};

export const aRunningBackup = (change: Partial<BackupRecord> = {}): BackupRecord => {
  const order = anOrder();
  return {
    v: 1,
    clusterId: order.clusterId,
    backupId: order.backupId,
    jobId: aManifest().jobId,
    execution: 'arn:e1',
    slot: order.slot,
    attempt: 1,
    state: 'running',
    extra: false,
    reasons: [],
    engine: order.engine,
    flavour: order.flavour,
    method: order.plan.method,
    level: order.plan.level,
    memberId: order.member.memberId,
    hostId: order.member.hostId,
    site: order.site,
    startedAt: '2026-11-23T01:00:00.000Z',
    ...change,
  };
};

const anInspection = (memberId: string, change: Partial<MemberInspection> = {}): MemberInspection => {
  const { member } = checkResultSchema.parse(json('result-check'));
  if (member === undefined) throw new Error('the kept check result has no member');
  return {
    ...member,
    memberId,
    reachable: true,
    role: 'replica',
    lagSeconds: 0,
    ineligible: [],
    outsideDatadir: [],
    ...change,
  };
};

export const aCheckResult = (memberId: string, change: Partial<MemberInspection> = {}): CheckResult => ({
  ...checkResultSchema.parse(json('result-check')),
  member: anInspection(memberId, change),
});

export const aJobRow = (userid: string, jobId: string, change: Partial<JobRow> = {}): JobRow => {
  const { v, order, hostId, clusterId, createdAt, claimBy, deadline, ttl } = jobRowSchema.parse(json('job'));
  return {
    v,
    ...jobKey(userid, jobId),
    jobId,
    hostId,
    clusterId,
    execution: 'arn:e1',
    lock: null,
    state: 'queued',
    order,
    createdAt,
    claimBy,
    deadline,
    ttl,
    token: 'token-1',
    live: 'yes',
    ...change,
  };
};
