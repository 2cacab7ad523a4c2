import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultPatience } from '../../../runner/stream/retry.ts';
import { patienceOfTests } from '../../unit/runner/job/job-under-test.ts';
import { faultTest } from '../fault-test.ts';
import { backupAtProxy, committed, withJobOf } from './backup-at-proxy.ts';
import { type EmulatedBucket, startEmulatedBucket } from './emulated-bucket.ts';

let bucket: EmulatedBucket;
beforeAll(async () => {
  bucket = await startEmulatedBucket('faults-puts');
});
afterAll(() => bucket?.stop());

const nothing = { manifest: 'none' };

/** Each a backup job of its own: the emulator keeps its objects until the end. */
let number = 0;
const backup = () => backupAtProxy(bucket, `b-${++number}`);
const withJob = withJobOf(backup);

describe('a backup job whose store', () => {
  it('is well leaves a backup that Verify accepts and that reads back identical', async () => {
    const job = await backup();
    expect(await job.run()).toMatchObject({ outcome: 'succeeded', state: 'succeeded' });
    expect(await job.left()).toEqual(committed);
    expect(job.proxy.seen.filter(job.puts('volumes')).length).toBeGreaterThan(1);
    expect(job.proxy.seen.at(-1)).toMatchObject(job.proxy.seen.find(job.puts('manifest.json'))!);
    await job.proxy.stop();
  });

  faultTest(
    ['F23'],
    'answers 503 SlowDown and 500 now and then: the backup is whole',
    withJob(async (job, faults) => {
      for (const [status, code, what] of [
        [503, 'SlowDown', 'volumes'],
        [500, 'InternalError', 'index'],
        [503, 'ServiceUnavailable', 'manifest.json'],
      ] as const) {
        const kind = { do: 'answer', status, code } as const;
        job.proxy.plan({ when: job.puts(what), times: 3, kind, struck: () => faults.hit('F23') });
      }
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F23'],
    'throttles for a fifth of the budget, two minutes of its ten, is waited for',
    withJob(async (job, faults) => {
      expect(defaultPatience).toEqual({
        budgetMs: 600_000,
        stallMs: 60_000,
        firstWaitMs: 200,
        longestWaitMs: 20_000,
      });
      let until = 0;
      job.proxy.plan({
        when: () => {
          until ||= performance.now() + patienceOfTests.budgetMs / 5;
          return performance.now() < until;
        },
        kind: { do: 'answer', status: 503, code: 'SlowDown' },
        struck: () => faults.hit('F23'),
      });
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F23'],
    'throttles for longer than the budget: Store.Unavailable, no manifest',
    withJob(async (job, faults) => {
      const kind = { do: 'answer', status: 503, code: 'SlowDown' } as const;
      job.proxy.plan({ when: job.puts('volumes'), kind, struck: () => faults.hit('F23') });
      const { state, error } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('failed');
        expect(error).toMatchObject({
          name: 'Store.Unavailable',
          cause: expect.stringContaining('503 SlowDown'),
        });
        expect(await job.left()).toEqual(nothing);
      });
    }),
  );

  faultTest(
    ['F24'],
    'breaks connections in the middle of bodies gets the same bytes again from memory',
    withJob(async (job, faults) => {
      for (const what of ['volumes', 'manifest.json'] as const) {
        const kind = { do: 'reset-mid-request', after: 1000 } as const;
        job.proxy.plan({ when: job.puts(what), times: 2, kind, struck: () => faults.hit('F24') });
      }
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F24'],
    'falls silent in the middle is given up after the stall time',
    withJob(async (job, faults) => {
      job.proxy.plan({
        when: job.puts('volumes'),
        times: 1,
        kind: { do: 'hang' },
        struck: () => faults.hit('F24'),
      });
      const { state, log } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(log).toContain('nothing moved for');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F31'],
    'loses every first answer after it has stored: 412 then is success, of the manifest too',
    withJob(async (job, faults) => {
      for (const what of ['volumes', 'index', 'log', 'manifest.json'] as const) {
        job.proxy.plan({
          when: job.puts(what),
          times: 1,
          kind: { do: 'lose-answer' },
          struck: () => faults.hit('F31'),
        });
      }
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(job.proxy.seen.filter(job.puts('manifest.json'))).toHaveLength(2);
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F31'],
    'has two writers of one key at once (409 ConditionalRequestConflict) is asked again',
    withJob(async (job, faults) => {
      const kind = { do: 'answer', status: 409, code: 'ConditionalRequestConflict' } as const;
      for (const what of ['volumes', 'manifest.json'] as const)
        job.proxy.plan({ when: job.puts(what), times: 2, kind, struck: () => faults.hit('F31') });
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F26'],
    'gets damaged bytes refuses them by their CRC32, and three more tries are made',
    withJob(async (job, faults) => {
      for (const what of ['volumes', 'index', 'manifest.json'] as const)
        job.proxy.plan({
          when: job.puts(what),
          times: 3,
          kind: { do: 'damage' },
          struck: () => faults.hit('F26'),
        });
      const { state, log } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(log).toContain('BadDigest');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F26'],
    'gets damaged bytes every time: the network of the host is named, no manifest',
    withJob(async (job, faults) => {
      job.proxy.plan({
        when: job.puts('volumes'),
        kind: { do: 'damage' },
        struck: () => faults.hit('F26'),
      });
      const { state, error } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('failed');
        expect(error).toMatchObject({
          name: 'Store.Unavailable',
          cause: expect.stringContaining('network card'),
        });
        expect(await job.left()).toEqual(nothing);
      });
    }),
  );

  faultTest(
    ['F27'],
    'keeps another volume than was sent, and says nothing: Verify finds it by size and checksum',
    withJob(async (job, faults) => {
      job.proxy.plan({
        when: job.puts('volumes'),
        times: 1,
        kind: { do: 'damage-silently' },
        struck: () => faults.hit('F27'),
      });
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.verify()).toMatchObject({
          outcome: 'bad',
          error: { name: 'Verify.ObjectDiffers', cause: expect.stringContaining('/volumes/main/') },
        });
        await expect(job.readThroughProxy()).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
      });
    }),
  );

  faultTest(
    ['F27'],
    'keeps another index than was sent, and says nothing: Verify finds it by SHA-256',
    withJob(async (job, faults) => {
      job.proxy.plan({
        when: job.puts('index'),
        times: 1,
        kind: { do: 'damage-silently' },
        struck: () => faults.hit('F27'),
      });
      await job.run();
      await faults.endState(async () => {
        expect(await job.verify()).toMatchObject({
          outcome: 'bad',
          error: { name: 'Verify.ObjectDiffers', cause: expect.stringContaining('/index/') },
        });
        await expect(job.readThroughProxy()).rejects.toMatchObject({ name: 'Restore.StreamDamaged' });
      });
    }),
  );
});
