import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeObjects } from '../../../functions/clients/objects.ts';
import { isSignedElsewhere, malformedScope, permanentRedirect } from '../../doubles/fault-proxy.ts';
import { faultTest } from '../fault-test.ts';
import { backupAtProxy, committed, expiringCredentials, withJobOf } from './backup-at-proxy.ts';
import { type EmulatedBucket, startEmulatedBucket } from './emulated-bucket.ts';

let bucket: EmulatedBucket;
beforeAll(async () => {
  bucket = await startEmulatedBucket('faults-gets');
});
afterAll(() => bucket?.stop());

let number = 0;
/** A backup that is stored and well. */
const stored = async (codec: 'zstd' | 'none' = 'zstd') => {
  const job = await backupAtProxy(bucket, `b-${++number}`, codec);
  await job.run();
  return job;
};
const withJob = withJobOf(stored);
const isGet = ({ method }: { method: string }) => method === 'GET';

describe('a reader whose store', () => {
  faultTest(
    ['F23'],
    'answers 503 SlowDown and 500 reads on',
    withJob(async (job, faults) => {
      for (const [status, code] of [
        [503, 'SlowDown'],
        [500, 'InternalError'],
      ] as const) {
        const kind = { do: 'answer', status, code } as const;
        job.proxy.plan({ when: isGet, times: 4, kind, struck: () => faults.hit('F23') });
      }
      const identical = await job.readThroughProxy();
      await faults.endState(() => expect(identical).toBe(true));
    }),
  );

  faultTest(
    ['F24'],
    'breaks connections in the middle of answers goes on where they broke',
    withJob(async (job, faults) => {
      const from = job.proxy.seen.length;
      const when = ({ method, path }: { method: string; path: string }) =>
        method === 'GET' && path.includes('/volumes/');
      const kind = { do: 'reset-mid-answer', after: 700 } as const;
      job.proxy.plan({ when, times: 3, kind, struck: () => faults.hit('F24') });
      const identical = await job.readThroughProxy();
      await faults.endState(() => {
        expect(identical).toBe(true);
        const ranges = job.proxy.seen.slice(from).map(({ headers }) => headers.range ?? '');
        expect(ranges.some((range) => range.startsWith('bytes=700-'))).toBe(true);
      });
    }),
  );

  faultTest(
    ['F29'],
    'says ExpiredToken asks for new credentials and reads on',
    withJob(async (job, faults) => {
      const { credentials, asked } = expiringCredentials();
      job.proxy.plan({
        when: ({ headers }) => /Credential=EXPIRING/.test(headers.authorization ?? ''),
        kind: { do: 'answer', status: 400, code: 'ExpiredToken' },
        struck: () => faults.hit('F29'),
      });
      const identical = await job.readThroughProxy(credentials);
      await faults.endState(() => {
        expect(identical).toBe(true);
        expect(asked()).toBeGreaterThan(0);
      });
    }),
  );

  faultTest(
    ['F30'],
    'is denied the key ends at once, in the words of the store',
    withJob(async (job, faults) => {
      const from = job.proxy.seen.length;
      const kind = { do: 'answer', status: 403, code: 'AccessDenied' } as const;
      job.proxy.plan({ when: isGet, kind, struck: () => faults.hit('F30') });
      const reading = job.readThroughProxy();
      await expect(reading).rejects.toMatchObject({
        name: 'Store.Denied',
        message: expect.stringContaining('403 AccessDenied as planned'),
      });
      await faults.endState(() => expect(job.proxy.seen).toHaveLength(from + 1));
    }),
  );
});

describe('a restore', () => {
  faultTest(
    ['F23', 'F24'],
    'whose store is away for moments is done',
    withJob(async (job, faults) => {
      for (const [fault, kind] of [
        ['F23', { do: 'answer', status: 503, code: 'SlowDown' }],
        ['F24', { do: 'reset-mid-answer', after: 100 }],
      ] as const)
        job.proxy.plan({ when: isGet, times: 3, kind, struck: () => faults.hit(fault) });
      const restored = await job.restore();
      await faults.endState(() => expect(restored).toMatchObject({ state: 'succeeded', target: 'there' }));
    }),
  );

  // Frames of zstd have a checksum of their own; without them that of the volume is the only one.
  for (const [what, codec, kind] of [
    ['missing', 'zstd', { do: 'answer', status: 404, code: 'NoSuchVersion' }],
    ['damaged', 'zstd', { do: 'damage-answer' }],
    ['damaged', 'none', { do: 'damage-answer' }],
  ] as const) {
    faultTest(
      ['F58'],
      'of a backup with a volume that is missing or damaged names the volume and leaves no directory',
      withJobOf(() => stored(codec))(async (job, faults) => {
        const when = ({ method, path }: { method: string; path: string }) =>
          method === 'GET' && path.includes('/volumes/main/000001');
        job.proxy.plan({ when, kind, struck: () => faults.hit('F58') });
        const { state, error, target } = await job.restore();
        await faults.endState(() => {
          expect([what, codec, state, target]).toEqual([what, codec, 'failed', 'absent']);
          expect(error).toMatchObject({
            name: 'Restore.StreamDamaged',
            cause: expect.stringContaining('volumes/main/000001'),
          });
        });
      }),
    );
  }
});

describe('Verify of a stored backup', () => {
  faultTest(
    ['F23', 'F24', 'F29', 'F30', 'wrong region'],
    'never calls a backup bad because the store could not be asked',
    withJob(async (job, faults) => {
      /** Everything from the first look at a volume on, where answers have no body to say why. */
      const fromVolumes = () => {
        let begun = false;
        return ({ method, path }: { method: string; path: string }) => {
          begun ||= method === 'HEAD' && path.includes('versionId=');
          return begun;
        };
      };
      const strikes = [
        ['F23', { do: 'answer', status: 503, code: 'SlowDown' }],
        ['F24', { do: 'refuse' }],
        ['F24', { do: 'reset-mid-answer', after: 20 }],
        ['F29', { do: 'answer', status: 400, code: 'ExpiredToken' }],
        ['F30', { do: 'answer', status: 403, code: 'AccessDenied' }],
        ['wrong region', permanentRedirect('eu-west-1')],
        ['wrong region', malformedScope('eu-west-1')],
      ] as const;
      const answers: string[] = [];
      for (const [fault, kind] of strikes) {
        for (const when of kind.do === 'reset-mid-answer' ? [isGet] : [isGet, fromVolumes()]) {
          job.proxy.plan({ when, kind, struck: () => faults.hit(fault) });
          const answer = await job.verify(job.proxy.url).then(
            ({ outcome }) => outcome,
            () => 'thrown',
          );
          answers.push(`${fault} ${kind.do} ${answer}`);
          job.proxy.clear();
        }
      }
      await faults.endState(async () => {
        expect(answers.filter((answer) => !answer.endsWith(' thrown'))).toEqual([]);
        expect(await job.verify(job.proxy.url)).toMatchObject({ outcome: 'verified' });
        expect(await job.left()).toEqual(committed);
      });
    }),
  );

  faultTest(
    ['F23', 'F24'],
    'goes on after a store that was away for moments',
    withJob(async (job, faults) => {
      for (const [fault, kind] of [
        ['F23', { do: 'answer', status: 503, code: 'SlowDown' }],
        ['F24', { do: 'refuse' }],
      ] as const)
        job.proxy.plan({ when: () => true, times: 1, kind, struck: () => faults.hit(fault) });
      const answer = await job.verify(job.proxy.url);
      await faults.endState(() => expect(answer).toMatchObject({ outcome: 'verified' }));
    }),
  );

  faultTest(
    ['wrong region'],
    'names the bucket and the region in which it is, by a redirect and by the signed scope',
    withJob(async (job, faults) => {
      const said: unknown[] = [];
      for (const kind of [permanentRedirect('eu-west-1'), malformedScope('eu-west-1')]) {
        const when = isSignedElsewhere('eu-west-1');
        job.proxy.plan({ when, kind, struck: () => faults.hit('wrong region') });
        said.push(await job.verify(job.proxy.url).catch((thrown: unknown) => thrown));
        job.proxy.clear();
      }
      await faults.endState(() => {
        for (const thrown of said)
          expect(thrown).toMatchObject({
            name: 'Store.Denied',
            message: expect.stringMatching(/bucket-of-test is in eu-west-1/),
          });
      });
    }),
  );

  it('takes a version id of a form that no version has for a missing object', async () => {
    const { order, proxy } = await stored();
    const objects = makeObjects(bucket.client(bucket.endpoint), order.site.bucket);
    const key = `shop/backups/${order.backupId}/volumes/main/000000`;
    const { versionId } = (await objects.head(key)) ?? {};
    expect(await objects.head(key, versionId ?? null)).toMatchObject({ versionId });
    expect(await objects.head(key, 'of-no-such-form')).toBeUndefined();
    expect(await objects.stream(key, 'of-no-such-form')).toBeUndefined();
    await proxy.stop();
  });
});
