import { describe, expect } from 'vitest';
import { canonicalJson } from '../../../contract/formats/codec.ts';
import { type BackupOrder, checkResultSchema, type JobRow } from '../../../contract/records/job.ts';
import { policySchema } from '../../../contract/records/policy.ts';
import { judgeMember } from '../../../functions/backup/member.ts';
import { makeHandler as makeRecord } from '../../../functions/backup/record.ts';
import { makeHandler as makeVerify } from '../../../functions/backup/verify.ts';
import { makeHandler as makeRebuild } from '../../../functions/reconcile/rebuild.ts';
import { makeHandler as makeReconcile } from '../../../functions/reconcile/reconcile.ts';
import { makeHandler as makePlanRestore } from '../../../functions/restore/plan-restore.ts';
import { keptRelease } from '../../doubles/kept-release.ts';
import { makeMemoryControl } from '../../doubles/memory-control.ts';
import { makeMemoryRows } from '../../doubles/memory-rows.ts';
import { aCheckResult, aCluster, aMember } from '../../doubles/records.ts';
import { runJob } from '../../unit/runner/job/job-under-test.ts';
import { checkOrder, queuedRow } from '../../unit/runner/job/orders.ts';
import { faultTest } from '../fault-test.ts';

const release = keptRelease('cb078e0');
const bucket = 'holdfast-home-111122223333';
const sites = { home: { bucket, region: 'eu-central-1', account: '111122223333' } };
const at = '2026-11-25T16:26:45.000Z';

type Kept = Record<string, unknown> & { sk: string };
const ofCatalog = (prefix: string) => (release.catalog as Kept[]).filter(({ sk }) => sk.startsWith(prefix));
/** Its backup by the schedule, which it had verified, and its order for another, whose runner was at work. */
const verified = ofCatalog('BACKUP#').find(({ state }) => state === 'verified')!;
const running = ofCatalog('BACKUP#').find(({ state }) => state === 'running')!;
const runningRow = (release.jobs as Kept[]).find(({ live }) => live === 'yes') as unknown as JobRow;

/** What a backup or a registered record must be again. */
const lasting = (items: readonly Record<string, unknown>[]) =>
  items
    .filter(
      ({ pk, sk, state }) => pk === 'FLEET' || (String(sk).startsWith('BACKUP#') && state !== 'running'),
    )
    .map((item) => canonicalJson(item))
    .sort();

describe('control that is deployed while backups run', () => {
  faultTest(
    ['F57'],
    'goes on with everything that the release before has written: it watches, verifies, records, plans, rebuilds',
    async ({ hit, endState }) => {
      const control = makeMemoryControl(at);
      release.into(control);
      const objects = release.objects(bucket, (key) => key.endsWith('manifest.json') && hit('F57'));
      const the = { ...control, objectsOf: () => objects, sites };
      control.status.set(String(verified.execution), { status: 'succeeded' });
      control.status.set(String(running.execution), { status: 'open' });
      // Of the release before, read as control reads a parameter.
      const policy = policySchema.parse((runningRow.order as BackupOrder).policy);

      const { counts } = (await makeReconcile({
        ...the,
        getPolicy: async () => policy,
        putMetrics: async () => {},
      })({})) as { counts: Record<string, number> };
      const event = {
        execution: String(verified.execution),
        clusterId: 'shop',
        backupId: String(verified.backupId),
      };
      const seen = await makeVerify(the)(event);
      const recorded = await makeRecord(the)({
        ...event,
        slot: verified.slot,
        attempt: 1,
        verdict: 'verified',
        reasons: [],
      });
      const plan = await makePlanRestore({ ...the, mintJobId: () => 'job-check' })({
        execution: 'arn:e1',
        input: {
          v: 1,
          clusterId: 'shop',
          backupId: 'latest',
          target: { hostId: 'mi-empty', directory: '/data/restored', port: 3307 },
        },
      });
      const fresh = makeMemoryControl(at);
      const rebuilt = await makeRebuild({ ...fresh, objectsOf: () => objects, sites })({
        v: 1,
        site: 'home',
      });
      await endState(async () => {
        expect(counts).toMatchObject({
          dutiesFailed: 0,
          clusters: 1,
          liveJobs: 1,
          jobsLost: 0,
          heldLocks: 1,
        });
        expect(seen).toMatchObject({ outcome: 'verified' });
        expect(recorded).toMatchObject({ outcome: 'recorded', state: 'verified', extra: false });
        expect(plan).toMatchObject({ outcome: 'planned', backupId: verified.backupId });
        expect(rebuilt).toMatchObject({
          outcome: 'rebuilt',
          clusters: 1,
          hosts: 3,
          receipts: 2,
          unreadable: [],
        });
        const before = lasting(release.catalog);
        expect(lasting(control.dynamo.items('catalog'))).toEqual(before);
        expect(lasting(fresh.dynamo.items('catalog'))).toEqual(before);
        // The backup that runs keeps its lock and its caps, and its job is watched on.
        expect(await control.locks.list()).toMatchObject([
          { name: 'cluster:shop', holder: running.execution },
        ]);
        expect(
          (await control.jobs.ofExecution(String(running.execution), at)).filter((j) => j.live),
        ).toHaveLength(1);
      });
    },
  );

  faultTest(
    ['F57'],
    'ends what the release before has left behind: its lost job, its lock, and later what that had stored',
    async ({ hit, endState }) => {
      const control = makeMemoryControl('2026-11-25T20:00:00.000Z');
      release.into(control);
      const the = { ...control, objectsOf: () => release.objects(bucket), sites };
      control.status.set(String(verified.execution), { status: 'succeeded' });
      control.status.set(String(running.execution), {
        status: 'failed',
        error: 'Job.Lost',
        cause: 'no beat',
      });
      const policy = policySchema.parse((runningRow.order as BackupOrder).policy);
      const pass = () =>
        makeReconcile({ ...the, getPolicy: async () => policy, putMetrics: async () => {} })({});
      if ((await control.jobs.get(runningRow.pk, runningRow.jobId))?.state === 'claimed') hit('F57');
      expect(await pass()).toMatchObject({ counts: { jobsLost: 1, holdersFreed: 1, dutiesFailed: 0 } });
      control.moveTo('2026-11-27T20:00:00.000Z');
      await pass();
      await endState(async () => {
        expect(await control.backups.get('shop', String(running.backupId))).toMatchObject({ state: 'lost' });
        expect(await control.locks.list()).toEqual([]);
        expect((await control.leases.list()).flatMap(({ holders }) => holders)).toEqual([]);
        expect(await control.orders.maybeLive()).toEqual([]);
        expect(await control.tombstones.list()).toMatchObject([{ backupId: running.backupId }]);
      });
    },
  );
});

describe('a runner', () => {
  faultTest(
    ['F55', 'F57'],
    'takes the order of the release before it, and refuses one of another protocol by name',
    async ({ hit, endState }) => {
      const soon = new Date(Date.now() + 300_000).toISOString();
      const { claimedAt: _, claimSecretSha256: __, beatAt: ___, progress: ____, ...row } = runningRow;
      const before = { ...row, state: 'queued' as const, claimBy: soon, deadline: soon };
      const rows = makeMemoryRows([before, { ...queuedRow('j-next', checkOrder), v: 2 } as never]);
      rows.after = (call) => {
        const claimed = (jobId: string) => rows.rows.get(jobId)?.state !== 'queued';
        if (call === 'claim' && claimed(row.jobId)) hit('F57');
        if (call === 'claim' && claimed('j-next')) hit('F55');
      };
      const orders: unknown[] = [];
      const works = () => ({
        backup: async (order: BackupOrder) => {
          orders.push(order);
          const { backupId } = order;
          const manifest = { manifestKey: 'k', manifestSha256: '0'.repeat(64) };
          const sums = { bytes: 1, storedBytes: 1, volumes: 1 };
          return { kind: 'backup' as const, jobId: row.jobId, backupId, ...manifest, ...sums };
        },
        check: async () => {
          throw new Error('an order of protocol 2 was followed');
        },
        restore: async () => {
          throw new Error('nothing is restored');
        },
        'restore-tables': async () => {
          throw new Error('no table is restored');
        },
      });
      const old = await runJob(rows, row.jobId, works);
      const next = await runJob(rows, 'j-next', works);
      await endState(() => {
        expect(old.outcome).toBe('succeeded');
        expect(orders).toMatchObject([runningRow.order]);
        expect(old.row).toMatchObject({ state: 'succeeded', result: { backupId: running.backupId } });
        expect(next.outcome).toBe('failed');
        expect(next.row).toMatchObject({ state: 'failed', error: { name: 'Runner.VersionUnsupported' } });
        expect([old.row.live, next.row.live]).toEqual([undefined, undefined]);
      });
    },
  );

  faultTest(
    ['F55'],
    'of a protocol that control does not understand is not chosen, and the reason names both',
    async ({ hit, endState }) => {
      const answer = () => {
        const result = checkResultSchema.parse({ ...aCheckResult('orders-b'), protocol: 3 });
        hit('F55');
        return { memberId: 'orders-b', result };
      };
      const { policy } = runningRow.order as BackupOrder;
      const judged = judgeMember(aMember('orders-b', 'i-b'), aCluster().document, answer(), policy);
      await endState(() => {
        expect(judged).toMatchObject({
          memberId: 'orders-b',
          reasons: [expect.stringContaining('speaks protocol 3; 1 to 1 are understood')],
        });
      });
    },
  );
});
