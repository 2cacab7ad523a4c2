import { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { NamedError } from '../../contract/errors/named-error.ts';

/** A stored object as HEAD shows it. `crc32` is S3's own checksum of the whole object, eight hex digits; null when it keeps none. */
export type StoredObject = { bytes: number; crc32: string | null; versionId: string | null };

/** The objects of one bucket. */
export type Objects = {
  bucket: string;
  /** The whole object; undefined when there is none. */
  get(key: string): Promise<{ body: Uint8Array; versionId: string | null } | undefined>;
  /** Its first bytes, as many as there are up to `most`; undefined when there is none. */
  first(key: string, most: number): Promise<Uint8Array | undefined>;
  /** Its bytes as they come; undefined when there is none. */
  stream(key: string, versionId?: string | null): Promise<Readable | undefined>;
  /** Undefined when there is no such object or version. */
  head(key: string, versionId?: string | null): Promise<StoredObject | undefined>;
  /** Writes a key that must not exist yet; `exists` when it does. */
  putOnce(key: string, body: string): Promise<{ outcome: 'written' | 'exists' }>;
  /** Keys below a prefix, in order. */
  list(prefix: string): AsyncIterable<string>;
};

const statusOf = (thrown: unknown) =>
  (thrown as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;

const regionOf = (thrown: unknown) =>
  (thrown as { $response?: { headers?: Record<string, string> } } | undefined)?.$response?.headers?.[
    'x-amz-bucket-region'
  ];

/** 404: no such key or version; 405: the version is a delete marker. */
async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (thrown) {
    const status = statusOf(thrown);
    if (status === 404 || status === 405) return undefined;
    throw thrown;
  }
}

const version = (versionId: string | null | undefined) => (versionId ? { VersionId: versionId } : {});
const hex = (base64: string | undefined) =>
  base64 === undefined ? null : Buffer.from(base64, 'base64').toString('hex');

/** Objects of a bucket through the SDK. Refusals of the store become `Store.Denied` naming bucket and key. */
export function makeObjects(client: S3Client, bucket: string): Objects {
  const named = async <T>(verb: string, key: string, call: () => Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (thrown) {
      const status = statusOf(thrown);
      const elsewhere = status === 301 || status === 400 ? regionOf(thrown) : undefined;
      if (elsewhere !== undefined) {
        throw new NamedError(
          'Store.Denied',
          `${verb} of s3://${bucket}/${key}: ${bucket} is in ${elsewhere}, not in the region of the settings`,
          { bucket, key, region: elsewhere },
          { cause: thrown },
        );
      }
      if (status !== 403) throw thrown;
      throw new NamedError(
        'Store.Denied',
        `${verb} of s3://${bucket}/${key} was denied: do this function's role, the bucket and its key allow it?`,
        { bucket, key },
        { cause: thrown },
      );
    }
  };
  const look = async (key: string, versionId?: string | null): Promise<StoredObject> => {
    const answer = await client.send(
      new HeadObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED', ...version(versionId) }),
    );
    return {
      bytes: answer.ContentLength ?? 0,
      crc32: hex(answer.ChecksumCRC32),
      versionId: answer.VersionId ?? null,
    };
  };
  return {
    bucket,
    get: (key) =>
      named('get', key, () =>
        unlessMissing(async () => {
          const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
          const body = (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
          return { body, versionId: answer.VersionId ?? null };
        }),
      ),
    first: (key, most) =>
      named('get', key, () =>
        unlessMissing(async () => {
          const answer = await client.send(
            new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=0-${most - 1}` }),
          );
          return (await answer.Body?.transformToByteArray()) ?? new Uint8Array();
        }),
      ),
    stream: (key, versionId) =>
      named('get', key, () =>
        unlessMissing(async () => {
          try {
            const answer = await client.send(
              new GetObjectCommand({ Bucket: bucket, Key: key, ...version(versionId) }),
            );
            return answer.Body instanceof Readable ? answer.Body : Readable.from([]);
          } catch (thrown) {
            // No version has an id of this form. 400 alone says less: expired credentials are answered so, too (F29).
            if (versionId && (thrown as Error).name === 'InvalidArgument') return undefined;
            throw thrown;
          }
        }),
      ),
    head: (key, versionId) =>
      named('head', key, () =>
        unlessMissing(async () => {
          try {
            return await look(key, versionId);
          } catch (thrown) {
            if (!versionId || statusOf(thrown) !== 400 || regionOf(thrown) !== undefined) throw thrown;
            // HEAD has no body to say whether no version has an id of this form, or the credentials have expired
            // (F29): where the key alone is answered, it is the id.
            await look(key);
            return undefined;
          }
        }),
      ),
    putOnce: (key, body) =>
      named('put', key, async () => {
        try {
          await client.send(
            new PutObjectCommand({
              Bucket: bucket,
              Key: key,
              Body: body,
              IfNoneMatch: '*',
              ContentType: 'application/json',
              ChecksumAlgorithm: 'CRC32',
            }),
          );
          return { outcome: 'written' };
        } catch (thrown) {
          if (statusOf(thrown) === 412) return { outcome: 'exists' };
          throw thrown;
        }
      }),
    async *list(prefix) {
      let token: string | undefined;
      do {
        const answer = await named('list', prefix, () =>
          client.send(
            new ListObjectsV2Command({
              Bucket: bucket,
              Prefix: prefix,
              ...(token === undefined ? {} : { ContinuationToken: token }),
            }),
          ),
        );
        for (const { Key } of answer.Contents ?? []) if (Key !== undefined) yield Key;
        token = answer.NextContinuationToken;
      } while (token !== undefined);
    },
  };
}

/** Objects of a bucket in a region. */
export type ObjectsOf = (place: { bucket: string; region: string }) => Objects;

/** One client per region; 64 requests at once need as many connections, more than the SDK's 50. */
export function makeObjectsOf(): ObjectsOf {
  const clients = new Map<string, S3Client>();
  return ({ bucket, region }) => {
    const known = clients.get(region);
    const client =
      known ??
      new S3Client({
        region,
        maxAttempts: 6,
        requestHandler: { httpsAgent: { maxSockets: 64 }, httpAgent: { maxSockets: 64 } },
      });
    if (known === undefined) clients.set(region, client);
    return makeObjects(client, bucket);
  };
}
