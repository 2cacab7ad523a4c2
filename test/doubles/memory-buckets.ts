import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Folders } from '../../functions/clients/folders.ts';
import type { Objects, ObjectsOf } from '../../functions/clients/objects.ts';
import type { StoredVersion, VersionsOf } from '../../functions/clients/versions.ts';

/** Buckets in memory: write-once keys, listed in order, each with one version; `now` is the store's own clock. */
export function makeMemoryBuckets({ now = () => new Date() }: { now?: () => Date } = {}) {
  const locks = new Map<string, string>();
  const removed: StoredVersion[] = [];
  const denied: StoredVersion[] = [];
  const buckets = new Map<string, Map<string, Buffer>>();
  const keys = (bucket: string) => {
    const known = buckets.get(bucket) ?? new Map<string, Buffer>();
    buckets.set(bucket, known);
    return known;
  };
  const versionOf = (body: Buffer) => createHash('sha256').update(body).digest('hex').slice(0, 12);
  const objectsOf: ObjectsOf = ({ bucket }): Objects => {
    const find = (key: string, version?: string | null) => {
      const body = keys(bucket).get(key);
      return body && (!version || version === versionOf(body)) ? body : undefined;
    };
    return {
      bucket,
      get: async (key) => {
        const body = find(key);
        return body && { body, versionId: versionOf(body) };
      },
      first: async (key, most) => find(key)?.subarray(0, most),
      stream: async (key, version) => {
        const body = find(key, version);
        return body && Readable.from([body]);
      },
      head: async (key, version) => {
        const body = find(key, version);
        return (
          body && {
            bytes: body.length,
            crc32: crc32(body).toString(16).padStart(8, '0'),
            versionId: versionOf(body),
          }
        );
      },
      putOnce: async (key, body) => {
        if (keys(bucket).has(key)) return { outcome: 'exists' };
        keys(bucket).set(key, Buffer.from(body));
        return { outcome: 'written' };
      },
      async *list(prefix) {
        yield* [...keys(bucket).keys()].filter((key) => key.startsWith(prefix)).sort();
      },
    };
  };
  const folders: Folders = async function* folders({ bucket }, prefix) {
    const names = [...keys(bucket).keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length).split('/')[0]!);
    yield* [...new Set(names)].sort();
  };
  const versionsOf: VersionsOf = ({ bucket }) => ({
    bucket,
    async *list(prefix) {
      const found = [...keys(bucket)].filter(([key]) => key.startsWith(prefix)).sort();
      const page = found.map(([key, body]) => ({ key, versionId: versionOf(body), deleteMarker: false }));
      for (let at = 0; at < page.length; at += 1000) yield page.slice(at, at + 1000);
    },
    lockedUntil: async ({ key }) => locks.get(`${bucket}/${key}`),
    async remove(version) {
      const until = locks.get(`${bucket}/${version.key}`);
      if (until !== undefined && until > now().toISOString()) {
        denied.push(version);
        return { outcome: 'denied' };
      }
      keys(bucket).delete(version.key);
      removed.push(version);
      return { outcome: 'removed' };
    },
  });
  return {
    objectsOf,
    folders,
    versionsOf,
    /** What was deleted, and what the store refused to delete under its lock, in order. */
    removed,
    denied,
    /** Locks every object that is stored below a prefix now until then. */
    lock: (bucket: string, prefix: string, until: string) => {
      for (const key of keys(bucket).keys()) if (key.startsWith(prefix)) locks.set(`${bucket}/${key}`, until);
    },
    keys: (bucket: string) => [...keys(bucket).keys()].sort(),
    put: (bucket: string, key: string, body: string | Uint8Array) =>
      void keys(bucket).set(key, Buffer.from(body as Uint8Array)),
    text: (bucket: string, key: string) => keys(bucket).get(key)?.toString(),
  };
}
