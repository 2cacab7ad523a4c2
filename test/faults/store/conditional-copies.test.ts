import { CopyObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { makeObjects } from '../../../functions/clients/objects.ts';
import { isConditionalCopy, startFaultProxy } from '../../doubles/fault-proxy.ts';
import { faultTest } from '../fault-test.ts';
import { bucketOfTest, type EmulatedBucket, startEmulatedBucket } from './emulated-bucket.ts';

/**
 * What no code of ours asks for yet, and the emulator answers as AWS does not: it ignores If-None-Match on a copy.
 * Whoever writes copies meets the answers of AWS here.
 */
let bucket: EmulatedBucket;
beforeAll(async () => {
  bucket = await startEmulatedBucket('faults-copies');
});
afterAll(() => bucket?.stop());

describe('a copy that must not overwrite', () => {
  faultTest(
    ['conditional copy'],
    'is refused with 501 where a bucket does not know it and with 409 where two meet, and nothing is copied',
    async (faults) => {
      const proxy = await startFaultProxy(bucket.endpoint);
      const through = bucket.client(proxy.url);
      await through.send(new PutObjectCommand({ Bucket: bucketOfTest, Key: 'from', Body: 'bytes' }));
      const copy = (Key: string) =>
        through
          .send(
            new CopyObjectCommand({
              Bucket: bucketOfTest,
              Key,
              CopySource: `${bucketOfTest}/from`,
              IfNoneMatch: '*',
            }),
          )
          .then(
            () => 'copied',
            ({ name }: Error) => name,
          );
      const said: string[] = [];
      for (const [status, code] of [
        [501, 'NotImplemented'],
        [409, 'ConditionalRequestConflict'],
      ] as const) {
        const kind = { do: 'answer', status, code } as const;
        proxy.plan({ when: isConditionalCopy, kind, struck: () => faults.hit('conditional copy') });
        said.push(await copy(`to-${status}`));
        proxy.clear();
      }
      await faults.endState(async () => {
        expect(said).toEqual(['NotImplemented', 'ConditionalRequestConflict']);
        const objects = makeObjects(bucket.client(bucket.endpoint), bucketOfTest);
        expect(await objects.head('to-501')).toBeUndefined();
        expect(await objects.head('to-409')).toBeUndefined();
        // Without the proxy the emulator copies, and over an existing object too: that is why it stands there.
        expect([await copy('to'), await copy('to')]).toEqual(['copied', 'copied']);
      });
      await proxy.stop();
    },
  );
});
