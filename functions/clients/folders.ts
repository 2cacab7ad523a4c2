import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';

/** The names directly below a prefix: of folders (`a` of `<prefix>a/…`), and of objects that lie in none. */
export type Folders = (place: { bucket: string; region: string }, prefix: string) => AsyncIterable<string>;

/** Names by LIST with a delimiter: one request per 1,000 of them, whatever the folders hold. */
export function makeFolders(): Folders {
  const clients = new Map<string, S3Client>();
  return async function* folders({ bucket, region }, prefix) {
    const client = clients.get(region) ?? new S3Client({ region, forcePathStyle: true, maxAttempts: 6 });
    clients.set(region, client);
    let token: string | undefined;
    do {
      const answer = await client.send(
        new ListObjectsV2Command({
          Bucket: bucket,
          Prefix: prefix,
          Delimiter: '/',
          ...(token === undefined ? {} : { ContinuationToken: token }),
        }),
      );
      for (const { Prefix } of answer.CommonPrefixes ?? []) {
        if (Prefix !== undefined) yield Prefix.slice(prefix.length, -1);
      }
      for (const { Key } of answer.Contents ?? []) if (Key !== undefined) yield Key.slice(prefix.length);
      token = answer.NextContinuationToken;
    } while (token !== undefined);
  };
}
