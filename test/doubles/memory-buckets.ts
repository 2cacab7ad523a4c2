import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Folders } from '../../functions/clients/folders.ts';
import type { Objects, ObjectsOf } from '../../functions/clients/objects.ts';

/** Buckets in memory: write-once keys, listed in order, each with one version. */
export function makeMemoryBuckets() {
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
      .filter((key) => key.startsWith(prefix) && key.slice(prefix.length).includes('/'))
      .map((key) => key.slice(prefix.length).split('/')[0]!);
    yield* [...new Set(names)].sort();
  };
  return {
    objectsOf,
    folders,
    keys: (bucket: string) => [...keys(bucket).keys()].sort(),
    put: (bucket: string, key: string, body: string | Uint8Array) =>
      void keys(bucket).set(key, Buffer.from(body as Uint8Array)),
    text: (bucket: string, key: string) => keys(bucket).get(key)?.toString(),
  };
}
