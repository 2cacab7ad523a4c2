import { rmSync } from 'node:fs';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { type Emulator, startEmulator } from '../../../infra/local/emulator.ts';
import { localPaths, makeLocalDirectories } from '../../../infra/local/paths.ts';
import { openRegistry } from '../../../infra/local/processes.ts';

/** Where `bucketOfTest` lies and what is ordered for it. */
export const region = 'eu-central-1';
export const bucketOfTest = 'bucket-of-test';

const client = (endpoint: string) =>
  new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    maxAttempts: 3,
    credentials: { accessKeyId: '111122223333', secretAccessKey: 'local' },
  });

/** The emulator with one versioned bucket in it. Everything is gone when it stops. */
export async function startEmulatedBucket(purpose: string) {
  const paths = localPaths(purpose);
  rmSync(paths.emulatorState, { recursive: true, force: true });
  makeLocalDirectories(paths);
  const registry = openRegistry(paths.pids);
  const emulator: Emulator = await startEmulator({
    program: paths.emulator,
    nodeBin: paths.nodeBin,
    stateDir: paths.emulatorState,
    registry,
  });
  const s3 = client(emulator.endpoint);
  await s3.send(new CreateBucketCommand({ Bucket: bucketOfTest }));
  await s3.send(
    new PutBucketVersioningCommand({
      Bucket: bucketOfTest,
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
  return {
    endpoint: emulator.endpoint,
    /** As a function of control reaches it, directly or through a proxy. */
    client,
    stop: async () => {
      await registry.stopAll();
      rmSync(paths.run, { recursive: true, force: true });
    },
  };
}

export type EmulatedBucket = Awaited<ReturnType<typeof startEmulatedBucket>>;
