import { describe, expect, it } from 'vitest';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { type OrderRecord, overAfter } from '../../../../functions/catalog/order.ts';
import { judgeStray, type StrayFacts } from '../../../../functions/retention/stray.ts';
import { sites } from '../../../doubles/memory-control.ts';
import { anOrder, aRunningBackup } from '../../../doubles/records.ts';

const lost = aRunningBackup({ state: 'lost', error: { name: 'Job.Lost', cause: 'no beat' } });
const order: OrderRecord = {
  v: 1,
  jobId: lost.jobId,
  hostId: lost.hostId,
  userid: `AROAEXAMPLE:${lost.hostId}`,
  clusterId: lost.clusterId,
  order: anOrder(),
  execution: lost.execution,
  lock: null,
  createdAt: lost.startedAt,
  deadline: '2026-11-23T13:00:00.000Z',
};
const after = new Date(Date.parse(overAfter(order)) + 1);
const facts: StrayFacts = {
  backup: lost,
  order,
  execution: 'failed',
  jobLives: false,
  pinned: false,
  manifest: false,
  receipt: false,
};
const judge = (change: Partial<StrayFacts>, now = after) => judgeStray({ ...facts, ...change }, sites, now);
const withBackup = (change: Partial<BackupRecord>) => judge({ backup: { ...lost, ...change } });
const orderOf = (change: Parameters<typeof anOrder>[0]) =>
  judge({ order: { ...order, order: anOrder(change) } });

describe('a stray', () => {
  it('is an attempt that control ordered, that failed or was lost, and that nobody can finish any more', () => {
    expect(judge({})).toEqual({ outcome: 'stray' });
    expect(withBackup({ state: 'failed' })).toEqual({ outcome: 'stray' });
    // Its history is gone after 90 days; by then it is long over.
    expect(judge({ execution: 'unknown' })).toEqual({ outcome: 'stray' });
  });

  it.each([
    'running',
    'committed',
    'verified',
    'suspect',
    'proven',
    'quarantined',
    'expiring',
    'expired',
  ] as const)('is never a backup that is %s', (state) => {
    expect(withBackup({ state })).toMatchObject({ outcome: 'none' });
  });

  it('is never what has a manifest, a receipt, or was committed once', () => {
    expect(judge({ manifest: true })).toMatchObject({ outcome: 'none', why: 'its manifest is stored' });
    expect(judge({ receipt: true })).toMatchObject({ outcome: 'none', why: 'it has a receipt' });
    expect(withBackup({ committedAt: lost.startedAt })).toMatchObject({ outcome: 'none' });
  });

  it('is never what another backup builds on', () => {
    expect(judge({ child: 'b-2' })).toEqual({ outcome: 'none', why: 'backup b-2 builds on it' });
  });

  it('is never what control has no order for: unclaimed, of another control, rebuilt, too old', () => {
    const none = { outcome: 'none', why: 'its order is not kept' };
    expect(judge({ backup: undefined })).toMatchObject({ outcome: 'none' });
    expect(judge({ order: undefined })).toEqual(none);
    expect(orderOf({ backupId: 'another' })).toEqual(none);
    expect(orderOf({ clusterId: 'another' })).toEqual(none);
    expect(judge({ order: { ...order, execution: 'arn:e2' } })).toEqual(none);
    const { site } = order.order.kind === 'backup' ? order.order : { site: lost.site };
    expect(orderOf({ site: { ...site, bucket: 'another-bucket' } })).toEqual(none);
    expect(judgeStray(facts, {}, after)).toEqual(none);
    expect(judgeStray(facts, { frankfurt: { ...sites.frankfurt, bucket: 'moved' } }, after)).toEqual(none);
  });

  it('waits for the deadline that control keeps, however early its host said that it had ended', () => {
    const over = overAfter(order);
    expect(judge({}, new Date(over))).toEqual({
      outcome: 'later',
      until: over,
      why: 'its deadline is not over',
    });
  });

  it('waits while its execution is open, a job of it lives, or somebody reads it', () => {
    const until = new Date(after.getTime() + 3_600_000).toISOString();
    expect(judge({ execution: 'open' })).toMatchObject({ outcome: 'later', until });
    expect(judge({ jobLives: true })).toMatchObject({ outcome: 'later', until });
    expect(judge({ pinned: true })).toMatchObject({ outcome: 'later', until });
  });

  it('is judged once: what was cleared is nothing any more', () => {
    expect(withBackup({ clearedAt: lost.startedAt })).toMatchObject({ outcome: 'none' });
  });
});
