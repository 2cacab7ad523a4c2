import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultPatience } from '../../../runner/stream/retry.ts';
import type { CredentialsProvider } from '../../../runner/stream/sign.ts';
import { isSignedElsewhere, malformedScope, permanentRedirect } from '../../doubles/fault-proxy.ts';
import { patienceOfTests } from '../../unit/runner/job/job-under-test.ts';
import { faultTest } from '../fault-test.ts';
import { backupAtProxy, committed } from './backup-at-proxy.ts';
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

describe('a backup job whose store', () => {
  it('is well leaves a backup that Verify accepts and that reads back identical', async () => {
    const job = await backup();
    expect(await job.run()).toMatchObject({ outcome: 'succeeded', state: 'succeeded' });
    expect(await job.left()).toEqual(committed);
    expect(job.proxy.seen.filter(job.puts('volumes')).length).toBeGreaterThan(1);
    expect(job.proxy.seen.at(-1)).toMatchObject(job.proxy.seen.find(job.puts('manifest.json'))!);
    await job.proxy.stop();
  });

  faultTest(['F23'], 'answers 503 SlowDown and 500 now and then: the backup is whole', async (faults) => {
    const job = await backup();
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
    await job.proxy.stop();
  });

  faultTest(
    ['F23'],
    'throttles for a fifth of the budget, two minutes of its ten, is waited for',
    async (faults) => {
      expect(defaultPatience).toEqual({
        budgetMs: 600_000,
        stallMs: 60_000,
        firstWaitMs: 200,
        longestWaitMs: 20_000,
      });
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F23'],
    'throttles for longer than the budget: Store.Unavailable, no manifest',
    async (faults) => {
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F24'],
    'breaks connections in the middle of bodies gets the same bytes again from memory',
    async (faults) => {
      const job = await backup();
      for (const what of ['volumes', 'manifest.json'] as const) {
        const kind = { do: 'reset-mid-request', after: 1000 } as const;
        job.proxy.plan({ when: job.puts(what), times: 2, kind, struck: () => faults.hit('F24') });
      }
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.left()).toEqual(committed);
      });
      await job.proxy.stop();
    },
  );

  faultTest(['F24'], 'falls silent in the middle is given up after the stall time', async (faults) => {
    const job = await backup();
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
    await job.proxy.stop();
  });

  faultTest(
    ['F31'],
    'loses every first answer after it has stored: 412 then is success, of the manifest too',
    async (faults) => {
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F31'],
    'has two writers of one key at once (409 ConditionalRequestConflict) is asked again',
    async (faults) => {
      const job = await backup();
      const kind = { do: 'answer', status: 409, code: 'ConditionalRequestConflict' } as const;
      for (const what of ['volumes', 'manifest.json'] as const)
        job.proxy.plan({ when: job.puts(what), times: 2, kind, struck: () => faults.hit('F31') });
      const { state } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(await job.left()).toEqual(committed);
      });
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F31'],
    'has a manifest that somebody else wrote: Store.Conflict, and that manifest counts for nothing',
    async (faults) => {
      const job = await backup();
      await job.occupyManifest();
      const kind = { do: 'pass' } as const;
      job.proxy.plan({ when: job.puts('manifest.json'), kind, struck: () => faults.hit('F31') });
      const { state, error } = await job.run();
      await faults.endState(async () => {
        expect(state).toBe('failed');
        expect(error).toMatchObject({ name: 'Store.Conflict' });
        expect(await job.verify()).toMatchObject({
          outcome: 'bad',
          error: { name: 'Verify.ObjectDiffers' },
        });
      });
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F26'],
    'gets damaged bytes refuses them by their CRC32, and three more tries are made',
    async (faults) => {
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F26'],
    'gets damaged bytes every time: the network of the host is named, no manifest',
    async (faults) => {
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F27'],
    'keeps another volume than was sent, and says nothing: Verify finds it by size and checksum',
    async (faults) => {
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F27'],
    'keeps another index than was sent, and says nothing: Verify finds it by SHA-256',
    async (faults) => {
      const job = await backup();
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
      await job.proxy.stop();
    },
  );

  faultTest(
    ['F29'],
    'says ExpiredToken in the middle: new credentials are asked for and the same bytes sent',
    async (faults) => {
      const job = await backup();
      let asked = 0;
      const credentials: CredentialsProvider = async ({ forceRefresh = false } = {}) => {
        if (forceRefresh) asked += 1;
        return { accessKeyId: asked > 0 ? 'RENEWED' : 'EXPIRING', secretAccessKey: 'x', sessionToken: 'y' };
      };
      job.proxy.plan({
        // The first volume still goes.
        when: ({ number, headers }) => number > 1 && /Credential=EXPIRING/.test(headers.authorization ?? ''),
        kind: { do: 'answer', status: 400, code: 'ExpiredToken' },
        struck: () => faults.hit('F29'),
      });
      const { state } = await job.run(credentials);
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(asked).toBeGreaterThan(0);
        expect(job.proxy.seen.at(-1)?.headers.authorization).toContain('Credential=RENEWED');
        expect(await job.left()).toEqual(committed);
      });
      await job.proxy.stop();
    },
  );

  faultTest(['F29'], 'says ExpiredToken to renewed credentials too: Store.Unavailable', async (faults) => {
    const job = await backup();
    const kind = { do: 'answer', status: 400, code: 'ExpiredToken' } as const;
    job.proxy.plan({ when: job.puts('volumes'), kind, struck: () => faults.hit('F29') });
    const { state, error } = await job.run();
    await faults.endState(async () => {
      expect(state).toBe('failed');
      expect(error).toMatchObject({
        name: 'Store.Unavailable',
        cause: expect.stringContaining('ExpiredToken'),
      });
      expect(await job.left()).toEqual(nothing);
    });
    await job.proxy.stop();
  });

  for (const [status, code] of [
    [403, 'AccessDenied'],
    [400, 'KMS.DisabledException'],
    [403, 'KMS.AccessDeniedException'],
  ] as const) {
    faultTest(
      ['F30'],
      'is denied the key: Store.Denied at once, in the words of the store, no manifest',
      async (faults) => {
        const job = await backup();
        const kind = { do: 'answer', status, code } as const;
        job.proxy.plan({ when: job.puts('volumes'), kind, struck: () => faults.hit('F30') });
        const { state, error } = await job.run();
        await faults.endState(async () => {
          expect(state).toBe('failed');
          expect(error).toMatchObject({
            name: 'Store.Denied',
            cause: expect.stringContaining(`${status} ${code} as planned`),
          });
          const tries = job.proxy.seen.filter(job.puts('volumes')).map(({ path }) => path);
          expect(new Set(tries).size).toBe(tries.length);
          expect(await job.left()).toEqual(nothing);
        });
        await job.proxy.stop();
      },
    );
  }

  for (const [says, kind] of [
    ['301 PermanentRedirect', permanentRedirect('eu-west-1')],
    ['400 AuthorizationHeaderMalformed', malformedScope('eu-west-1')],
  ] as const) {
    faultTest(
      ['wrong region'],
      'lies in another region than the settings say, by the signed scope: the right one is named',
      async (faults) => {
        const job = await backup();
        const when = isSignedElsewhere('eu-west-1');
        job.proxy.plan({ when, kind, struck: () => faults.hit('wrong region') });
        const { state, error } = await job.run();
        await faults.endState(async () => {
          expect(state).toBe('failed');
          expect(error).toMatchObject({
            name: 'Store.Denied',
            cause: expect.stringMatching(/the bucket is in eu-west-1, not in the region of the settings/),
          });
          expect(error?.cause).toContain(says);
          expect(await job.left()).toEqual(nothing);
        });
        await job.proxy.stop();
      },
    );
  }
});
