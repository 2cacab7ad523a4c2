import { beforeEach, describe, expect, it } from 'vitest';
import { decodeReceipt } from '../../../../contract/formats/codec.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import { type JobRow, jobKey } from '../../../../contract/records/job.ts';
import { makeHandler } from '../../../../functions/restore/record-restore.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';

const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:by-hand';
const order = example('order-restore');
const result = example('result-restore');
const { clusterId, backupId, site } = example('backup');
const userid = `AROAEXAMPLEROLEID1234:${order.target.hostId}`;
const row: JobRow = {
  ...example('job'),
  ...jobKey(userid, result.jobId),
  jobId: result.jobId,
  hostId: order.target.hostId,
  execution,
  lock: null,
  order,
  createdAt: '2026-11-23T09:01:00.000Z',
};

let control: MemoryControl;
const record = (more: object = {}, planned: object | null = null) =>
  makeHandler(control)({ execution, clusterId, backupId, result: { ...result, ...more }, planned });
const stateNow = async () => (await control.backups.get(clusterId, backupId))?.state;

async function recorded(change: Partial<BackupRecord> = {}) {
  const receipt = example('receipt');
  await control.backups.apply({ ...receipt, backup: { ...receipt.backup, ...change } });
}

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:14:00.000Z');
  await control.dispatched(row);
});

describe('Record the restore', () => {
  it('an exact comparison proves the backup: a receipt, then the catalog', async () => {
    await recorded();
    expect(await record()).toMatchObject({
      outcome: 'recorded',
      state: 'proven',
      hostId: order.target.hostId,
      directory: '/data2/restore',
      seconds: 119.5,
      reasons: [],
    });
    const [key] = control.objects.keys(site.bucket);
    expect(key).toBe(`receipts/orders/${backupId}/2026-11-23T09:01:00.000Z-proven.json`);
    const receipt = decodeReceipt(control.objects.text(site.bucket, key!)!);
    expect(receipt).toMatchObject({
      fact: 'proven',
      by: execution,
      backup: { state: 'proven', restoreSeconds: 119.5 },
    });
    expect(await control.backups.get(clusterId, backupId)).toEqual(receipt.backup);
  });

  it('a second call meets its own receipt (F44)', async () => {
    await recorded();
    await record();
    control.moveTo('2026-11-23T10:00:00.000Z');
    expect(await record()).toMatchObject({ state: 'proven' });
    expect(control.objects.keys(site.bucket)).toHaveLength(1);
  });

  it('a second restore proves it again, later', async () => {
    await recorded();
    await record();
    const again = {
      ...row,
      ...jobKey(userid, 'job-2'),
      jobId: 'job-2',
      createdAt: '2026-11-25T09:00:00.000Z',
    };
    await control.dispatched(again);
    await record({ jobId: 'job-2' });
    expect(control.objects.keys(site.bucket)).toHaveLength(2);
    expect((await control.backups.get(clusterId, backupId))?.provenAt).toBe('2026-11-25T09:00:00.000Z');
  });

  it('a host whose clock ran ahead when it committed does not undo the proof (F53)', async () => {
    const committedAt = '2026-11-23T09:05:00.000Z';
    const receipt = example('receipt');
    const backup = { ...receipt.backup, committedAt, verifiedAt: committedAt };
    await control.backups.apply({ ...receipt, at: committedAt, backup });
    await record();
    expect(await control.backups.get(clusterId, backupId)).toMatchObject({
      state: 'proven',
      provenAt: committedAt,
    });
  });

  it.each([
    ['bounded', 'exact'],
    ['exact', 'bounded'],
  ] as const)(
    'compared %s by the restore and %s by the backup proves nothing',
    async (restored, backedUp) => {
      await recorded({ comparison: backedUp });
      const answer = await record({ comparison: restored });
      expect(answer).toMatchObject({
        state: 'verified',
        reasons: [expect.stringContaining('within bounds')],
      });
      expect(control.objects.keys(site.bucket)).toEqual([]);
    },
  );

  it.each(['suspect', 'quarantined', 'expiring'] as const)('a %s backup stays so', async (state) => {
    await recorded({ state });
    expect(await record()).toMatchObject({
      state,
      reasons: [expect.stringContaining(`the backup is ${state}`)],
    });
    expect(await stateNow()).toBe(state);
  });

  it('what was to be replayed must have been, up to the point that was ordered', async () => {
    await recorded();
    const position = (gtid: string) => ({ kind: 'mysql' as const, flavour: 'mariadb' as const, gtid });
    const log = {
      set: 'main',
      timeline: 't-1',
      from: position('0-1-100'),
      until: { ...position('0-1-170'), file: 'binlog.000003', offset: 1050 },
      first: 'orders/logs/main/t-1/a',
      ends: [{ key: 'orders/logs/main/t-1/b', crc: '00000000' }],
      segments: 2,
      bytes: 2000,
    };
    const replayed = { ...row, ...jobKey(userid, 'job-log'), jobId: 'job-log', order: { ...order, log } };
    await control.dispatched(replayed);
    const replay = (gtid: string) => ({
      jobId: 'job-log',
      replay: { reached: position(gtid), seconds: 1, prepared: [], disabledEvents: [] },
    });
    await expect(record({ jobId: 'job-log' })).rejects.toMatchObject({ name: 'Restore.PositionMissed' });
    await expect(record(replay('0-1-169'))).rejects.toMatchObject({ name: 'Restore.PositionMissed' });
    expect(await stateNow()).toBe('verified');
    const shown = { timeline: 't-1', from: '0-1-100', until: log.until, segments: 2, bytes: 2000 };
    expect(await record(replay('0-1-170'))).toMatchObject({
      state: 'proven',
      replay: { from: '0-1-100', reached: { gtid: '0-1-170' } },
      log: { ...shown, lastCommit: null, perhapsLater: 0 },
    });
    const point = { lastCommit: '2026-11-23T08:07:00Z', perhapsLater: 3 };
    expect(await record({ ...replay('0-1-170') }, { point, predictedSeconds: 70 })).toMatchObject({
      log: { ...shown, ...point },
      predictedSeconds: 70,
    });
  });

  it('a result of a job that this execution did not order proves nothing and is an error', async () => {
    await recorded();
    await expect(record({ jobId: 'job-other' })).rejects.toMatchObject({ name: 'Job.NotLive' });
    await expect(record({ backupId: 'another' })).rejects.toMatchObject({ name: 'Job.NotLive' });
    expect(await stateNow()).toBe('verified');
  });
});
