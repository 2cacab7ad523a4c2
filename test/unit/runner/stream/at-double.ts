import { createCipheriv } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Log } from '../../../../runner/engines/engine.ts';
import type { Patience } from '../../../../runner/stream/retry.ts';
import type { CredentialsProvider } from '../../../../runner/stream/sign.ts';
import { openStore } from '../../../../runner/stream/store.ts';
import type { S3Server } from '../../../doubles/s3-server.ts';

/** Waits between attempts of milliseconds instead of seconds; the rules are the same. */
export const impatient: Patience = {
  budgetMs: 20_000,
  stallMs: 10_000,
  firstWaitMs: 1,
  longestWaitMs: 10,
};

export const fixedCredentials: CredentialsProvider = async () => ({
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'secret',
  sessionToken: 'token',
});

/** The bucket `vault` of a double, reached as the runner reaches it. */
export function storeAt(
  s3: S3Server,
  more: { patience?: Partial<Patience>; credentials?: CredentialsProvider; connections?: number } = {},
) {
  const lines: string[] = [];
  const log: Log = (message, facts) => void lines.push(`${message} ${JSON.stringify(facts)}`);
  const store = openStore({
    bucket: 'vault',
    region: 'eu-west-1',
    credentials: more.credentials ?? fixedCredentials,
    connections: more.connections ?? 4,
    env: { AWS_ENDPOINT_URL: s3.url },
    log,
    patience: { ...impatient, ...more.patience },
  });
  return { ...store, lines };
}

/** Bytes that do not repeat, the same on every run. */
export function noise(bytes: number, seed = 1): Buffer {
  const key = Buffer.alloc(16);
  key.writeDoubleLE(seed);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
}

export const withCrc = (key: string, body: Buffer) => ({ key, body, crc: crc32(body) });
