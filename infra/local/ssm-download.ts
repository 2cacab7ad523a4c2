import { chmodSync, createWriteStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { STSClient } from '@aws-sdk/client-sts';
import { z } from 'zod';
import { assumeHostRole, type HostIdentity } from './host-credentials.ts';
import type { Download } from './ssm-steps.ts';

const sourceInfoSchema = z.strictObject({ path: z.string() });

/** Bucket and key of a path-style address of S3 in this region, the kind that the agent takes in every partition. */
function parseAddress(address: string, region: string): { Bucket: string; Key: string } {
  const { protocol, host, pathname } = new URL(address);
  const [, Bucket = '', ...key] = pathname.split('/');
  const Key = decodeURIComponent(key.join('/'));
  const hosts = [`s3.${region}.amazonaws.com`, `s3.${region}.amazonaws.com.cn`];
  if (protocol !== 'https:' || !hosts.includes(host) || Bucket === '' || Key === '' || Key.endsWith('/'))
    throw new Error(`${address} is no object of S3 in ${region}`);
  return { Bucket, Key };
}

/**
 * aws:downloadContent from the emulator's S3, with credentials of the host's role. As the agent does, it leaves the
 * file executable for its owner; nothing may rely on that, and nothing may mind it.
 */
export function makeDownload(input: {
  emulator: { endpoint: string; region: string };
  sts: STSClient;
  identities: ReadonlyMap<string, HostIdentity>;
}): Download {
  const { emulator, sts, identities } = input;
  return async (hostId, sourceInfo, file) => {
    const address = parseAddress(sourceInfoSchema.parse(JSON.parse(sourceInfo)).path, emulator.region);
    const identity = identities.get(hostId);
    if (!identity) throw new Error(`${hostId} has no credentials`);
    const { AccessKeyId, SecretAccessKey, Token } = await assumeHostRole(sts, identity);
    const s3 = new S3Client({
      endpoint: emulator.endpoint,
      region: emulator.region,
      credentials: { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token },
      forcePathStyle: true,
    });
    try {
      const { Body } = await s3.send(new GetObjectCommand(address));
      await pipeline(Body as Readable, createWriteStream(file, { mode: 0o600 }));
    } finally {
      s3.destroy();
    }
    chmodSync(file, 0o700);
  };
}
