import { describe, expect, it } from 'vitest';
import type { CheckResult, JobRow, JobState } from '../../contract/records/job.ts';
import type { JobRows, OwnJob } from '../../runner/job/rows.ts';
import { checkOrder, queuedRow } from '../unit/runner/job/orders.ts';

export type RowsUnderTest = {
  rows: JobRows;
  /** Writes a row as control does, over whatever is there. */
  write: (row: JobRow) => Promise<void>;
};

const at = (second: number) => `2026-11-23T02:00:${String(second).padStart(2, '0')}.000Z`;
const progress = { phase: 'streaming', bytes: 5, expectedBytes: 10, bytesPerSecond: 1 };
const result: CheckResult = {
  kind: 'check',
  jobId: 'j',
  hostId: 'mi-0abc',
  runnerVersion: '1',
  protocol: 1,
  tools: { tool: null },
  memoryBytes: 1,
};

/** What a runner relies on of its rows, over whatever holds them. */
export function describeJobRows(name: string, make: () => Promise<RowsUnderTest>): void {
  describe(`the rows of a host ${name}`, () => {
    let made: Promise<RowsUnderTest> | undefined;
    let count = 0;
    const one = async (changes: Partial<JobRow> = {}) => {
      made ??= make();
      const { rows, write } = await made;
      const jobId = `j-${++count}`;
      const own: OwnJob = { jobId, claimSecretSha256: 'a'.repeat(64) };
      await write(queuedRow(jobId, checkOrder, changes));
      const change = async (more: Partial<JobRow>) =>
        write({ ...((await rows.get(jobId)) as JobRow), ...more });
      return { rows, own, change, look: () => rows.get(jobId) };
    };
    const claimed = async (changes: Partial<JobRow> = {}) => {
      const given = await one(changes);
      await given.rows.claim(given.own, '1.0.0', at(0));
      return given;
    };
    const stranger = (own: OwnJob): OwnJob => ({ ...own, claimSecretSha256: 'b'.repeat(64) });

    it('gives a row as it is, and undefined where there is none', async () => {
      const { rows, look } = await one();
      expect(await look()).toMatchObject({ state: 'queued', order: checkOrder, token: 'token-1' });
      expect(await rows.get('no-such-job')).toBeUndefined();
    });

    it('is claimed once; the one who claimed it may ask again', async () => {
      const { rows, own, look } = await one();
      const first = await rows.claim(own, '1.0.0', at(1));
      expect(first).toMatchObject({ outcome: 'claimed', row: { state: 'claimed', token: 'token-1' } });
      expect((await rows.claim(own, '1.0.0', at(2))).outcome).toBe('claimed');
      expect(await rows.claim(stranger(own), '1.0.0', at(3))).toEqual({
        outcome: 'not-queued',
        state: 'claimed',
      });
      expect(await look()).toMatchObject({
        claimSecretSha256: own.claimSecretSha256,
        runnerVersion: '1.0.0',
      });
    });

    it('does not come to be by a claim', async () => {
      const { rows, own } = await one();
      const absent = { ...own, jobId: 'never-ordered' };
      expect(await rows.claim(absent, '1', at(1))).toEqual({ outcome: 'not-queued', state: 'absent' });
      expect(await rows.get('never-ordered')).toBeUndefined();
    });

    it('takes beats with progress and answers with the newest token', async () => {
      const { rows, own, change, look } = await claimed();
      expect(await rows.beat(own, progress, at(5))).toEqual({
        outcome: 'alive',
        state: 'claimed',
        token: 'token-1',
      });
      await change({ token: 'token-2' });
      expect(await rows.beat(own, progress, at(6))).toMatchObject({ token: 'token-2' });
      expect(await look()).toMatchObject({ beatAt: at(6), progress });
    });

    it('says to a beat what became of the job', async () => {
      for (const [state, answer] of [
        ['cancelled', { outcome: 'alive', state: 'cancelled' }],
        ['committing', { outcome: 'alive', state: 'committing' }],
        ['lost', { outcome: 'gone', state: 'lost' }],
        ['failed', { outcome: 'gone', state: 'failed' }],
      ] as const) {
        const { rows, own, change } = await claimed();
        await change({ state });
        expect(await rows.beat(own, progress, at(5))).toMatchObject(answer);
      }
    });

    it('takes nothing from a runner that did not claim it', async () => {
      const { rows, own, look } = await claimed();
      const before = await look();
      expect((await rows.beat(stranger(own), progress, at(5))).outcome).toBe('gone');
      expect((await rows.committing(stranger(own), at(5))).outcome).toBe('refused');
      await rows.finish(stranger(own), { state: 'succeeded', result }, at(5));
      expect(await look()).toEqual(before);
    });

    it('lets pass to committing only while claimed, and says again that it has', async () => {
      const { rows, own } = await claimed();
      expect(await rows.committing(own, at(5))).toEqual({ outcome: 'committing' });
      expect(await rows.committing(own, at(6))).toEqual({ outcome: 'committing' });
      for (const state of ['cancelled', 'lost', 'failed'] as const) {
        const other = await claimed();
        await other.change({ state });
        expect(await other.rows.committing(other.own, at(5))).toEqual({ outcome: 'refused', state });
      }
    });

    it('ends once, gives back its token and has neither token nor place among the live ones any more', async () => {
      for (const state of ['claimed', 'committing'] as JobState[]) {
        const { rows, own, change, look } = await claimed();
        await change({ state });
        const end = { state: 'succeeded', result } as const;
        expect(await rows.finish(own, end, at(9))).toEqual({ state: 'succeeded', token: 'token-1' });
        expect(await rows.finish(own, end, at(10))).toEqual({ state: 'succeeded', token: undefined });
        const row = await look();
        expect(row).toMatchObject({ state: 'succeeded', result, endedAt: at(9) });
        expect(row).not.toHaveProperty('token');
        expect(row).not.toHaveProperty('live');
      }
    });

    it('stays cancelled or lost, and says when its runner ended', async () => {
      for (const state of ['cancelled', 'lost'] as const) {
        const { rows, own, change, look } = await claimed();
        await change({ state });
        const error = { name: 'Job.Cancelled', cause: 'enough', facts: { why: 'x', n: 1, b: true, z: null } };
        expect((await rows.finish(own, { state: 'failed', error }, at(9))).state).toBe(state);
        expect(await look()).toMatchObject({ state, error, endedAt: at(9) });
        expect(await look()).not.toHaveProperty('live');
      }
    });
  });
}
