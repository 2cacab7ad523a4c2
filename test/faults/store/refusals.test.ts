import { afterAll, beforeAll, describe, expect } from 'vitest';
import { isSignedElsewhere, malformedScope, permanentRedirect } from '../../doubles/fault-proxy.ts';
import { faultTest } from '../fault-test.ts';
import { backupAtProxy, committed, expiringCredentials, withJobOf } from './backup-at-proxy.ts';
import { type EmulatedBucket, startEmulatedBucket } from './emulated-bucket.ts';

let bucket: EmulatedBucket;
beforeAll(async () => {
  bucket = await startEmulatedBucket('faults-refusals');
});
afterAll(() => bucket?.stop());

const nothing = { manifest: 'none' };
let number = 0;
const withJob = withJobOf(() => backupAtProxy(bucket, `b-${++number}`));

describe('a backup job whose store', () => {
  faultTest(
    ['F31'],
    'has a manifest that somebody else wrote: Store.Conflict, and that manifest counts for nothing',
    withJob(async (job, faults) => {
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
    }),
  );

  faultTest(
    ['F29'],
    'says ExpiredToken in the middle: new credentials are asked for and the same bytes sent',
    withJob(async (job, faults) => {
      const { credentials, asked } = expiringCredentials();
      job.proxy.plan({
        // The first volume still goes.
        when: ({ number, headers }) => number > 1 && /Credential=EXPIRING/.test(headers.authorization ?? ''),
        kind: { do: 'answer', status: 400, code: 'ExpiredToken' },
        struck: () => faults.hit('F29'),
      });
      const { state } = await job.run(credentials);
      await faults.endState(async () => {
        expect(state).toBe('succeeded');
        expect(asked()).toBeGreaterThan(0);
        expect(job.proxy.seen.at(-1)?.headers.authorization).toContain('Credential=RENEWED');
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F29'],
    'says ExpiredToken to renewed credentials too: Store.Unavailable',
    withJob(async (job, faults) => {
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
    }),
  );

  for (const [status, code] of [
    [403, 'AccessDenied'],
    [400, 'KMS.DisabledException'],
    [403, 'KMS.AccessDeniedException'],
  ] as const) {
    faultTest(
      ['F30'],
      'is denied the key: Store.Denied at once, in the words of the store, no manifest',
      withJob(async (job, faults) => {
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
      }),
    );
  }

  for (const [says, kind] of [
    ['301 PermanentRedirect', permanentRedirect('eu-west-1')],
    ['400 AuthorizationHeaderMalformed', malformedScope('eu-west-1')],
  ] as const) {
    faultTest(
      ['wrong region'],
      'lies in another region than the settings say, by the signed scope: the right one is named',
      withJob(async (job, faults) => {
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
      }),
    );
  }
});
