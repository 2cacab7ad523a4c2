import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Objects, ObjectsOf } from '../../functions/clients/objects.ts';

export type MemoryObjects = Objects & {
  /** What a host would put; answers the version id. */
  place(key: string, body: Uint8Array | string): string;
  remove(key: string): void;
  keys(): string[];
  /** Names of the calls, in order. */
  readonly calls: string[];
};

/** A versioned bucket in memory, with the checksum that S3 keeps. */
export function makeMemoryObjects(bucket = 'example-holdfast-frankfurt'): MemoryObjects {
  const stored = new Map<string, { body: Buffer; versionId: string }>();
  const calls: string[] = [];
  let versions = 0;
  const find = (key: string, versionId?: string | null) => {
    const found = stored.get(key);
    return found && (!versionId || versionId === found.versionId) ? found : undefined;
  };
  const place = (key: string, body: Uint8Array | string): string => {
    const versionId = `v${++versions}`;
    stored.set(key, { body: Buffer.from(body), versionId });
    return versionId;
  };
  return {
    bucket,
    calls,
    place,
    remove: (key) => void stored.delete(key),
    keys: () => [...stored.keys()].sort(),
    async get(key) {
      calls.push(`get ${key}`);
      return find(key);
    },
    async first(key, most) {
      calls.push(`first ${key}`);
      return find(key)?.body.subarray(0, most);
    },
    async stream(key, versionId) {
      calls.push(`stream ${key}`);
      const found = find(key, versionId);
      return found && Readable.from([found.body]);
    },
    async head(key, versionId) {
      calls.push(`head ${key}`);
      const found = find(key, versionId);
      return (
        found && {
          bytes: found.body.length,
          crc32: crc32(found.body).toString(16).padStart(8, '0'),
          versionId: found.versionId,
        }
      );
    },
    async putOnce(key, body) {
      calls.push(`put ${key}`);
      if (stored.has(key)) return { outcome: 'exists' };
      place(key, body);
      return { outcome: 'written' };
    },
    async *list(prefix) {
      yield* [...stored.keys()].sort().filter((key) => key.startsWith(prefix));
    },
  };
}

/** Buckets by name, made when first asked for. */
export function makeMemoryBuckets(): { of: ObjectsOf; bucket: (name: string) => MemoryObjects } {
  const buckets = new Map<string, MemoryObjects>();
  const bucket = (name: string) => {
    const known = buckets.get(name) ?? makeMemoryObjects(name);
    buckets.set(name, known);
    return known;
  };
  return { of: (place) => bucket(place.bucket), bucket };
}
