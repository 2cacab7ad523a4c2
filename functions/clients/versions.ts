import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3';

/** One version of an object, or a delete marker over it. */
export type StoredVersion = { key: string; versionId: string; deleteMarker: boolean };

/** The versions of one bucket's objects, as whoever deletes them sees them: no byte of them is read. */
export type Versions = {
  bucket: string;
  /** All versions and delete markers below a prefix, a page at a time (1,000 at most). */
  list(prefix: string): AsyncIterable<StoredVersion[]>;
  /** Until when the object itself says that it is locked (ISO 8601); undefined where it has no lock or is gone. */
  lockedUntil(version: StoredVersion): Promise<string | undefined>;
  /** Deletes exactly this version; `denied`: the store refuses, for its lock, a legal hold or a missing right. */
  remove(version: StoredVersion): Promise<{ outcome: 'removed' | 'denied' }>;
};

export type VersionsOf = (place: { bucket: string; region: string }) => Versions;

const statusOf = (thrown: unknown) =>
  (thrown as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;

export function makeVersions(client: S3Client, bucket: string): Versions {
  const at = ({ key, versionId }: StoredVersion) => ({ Bucket: bucket, Key: key, VersionId: versionId });
  return {
    bucket,
    async *list(prefix) {
      let marker: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {};
      while (marker) {
        const answer: ListObjectVersionsCommandOutput = await client.send(
          new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, ...marker }),
        );
        const read = (
          of: { Key?: string | undefined; VersionId?: string | undefined }[] | undefined,
          deleteMarker: boolean,
        ) =>
          (of ?? []).flatMap(({ Key, VersionId }) =>
            Key === undefined || VersionId === undefined
              ? []
              : [{ key: Key, versionId: VersionId, deleteMarker }],
          );
        yield [...read(answer.Versions, false), ...read(answer.DeleteMarkers, true)];
        const { IsTruncated, NextKeyMarker, NextVersionIdMarker } = answer;
        marker =
          IsTruncated && NextKeyMarker !== undefined
            ? {
                KeyMarker: NextKeyMarker,
                ...(NextVersionIdMarker === undefined ? {} : { VersionIdMarker: NextVersionIdMarker }),
              }
            : undefined;
      }
    },
    async lockedUntil(version) {
      // A delete marker cannot be locked.
      if (version.deleteMarker) return undefined;
      try {
        const answer = await client.send(new GetObjectRetentionCommand(at(version)));
        return answer.Retention?.RetainUntilDate?.toISOString();
      } catch (thrown) {
        // 404: no lock on it (NoSuchObjectLockConfiguration), or no such version any more.
        if (statusOf(thrown) === 404) return undefined;
        throw thrown;
      }
    },
    async remove(version) {
      try {
        await client.send(new DeleteObjectCommand(at(version)));
        return { outcome: 'removed' };
      } catch (thrown) {
        if (statusOf(thrown) === 403) return { outcome: 'denied' };
        throw thrown;
      }
    },
  };
}

/** One client per region. */
export function makeVersionsOf(): VersionsOf {
  const clients = new Map<string, S3Client>();
  return ({ bucket, region }) => {
    const client = clients.get(region) ?? new S3Client({ region, maxAttempts: 6 });
    clients.set(region, client);
    return makeVersions(client, bucket);
  };
}
