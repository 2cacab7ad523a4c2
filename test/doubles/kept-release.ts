import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Objects } from '../../functions/clients/objects.ts';
import type { MemoryControl } from './memory-control.ts';

type Item = Record<string, unknown>;
type Stored = { key: string; versionId: string; bytes: number; crc32: string };

/** What an earlier release wrote, as test/fixtures/releases keeps it. Each call reads it anew. */
export function keptRelease(commit: string) {
  const folder = join(import.meta.dirname, '../fixtures/releases', commit);
  const bytes = (name: string) => readFileSync(join(folder, name));
  const json = <T>(name: string): T =>
    JSON.parse(bytes(name).toString(), (_, value) =>
      Array.isArray(value?.set) ? new Set(value.set as string[]) : value,
    ) as T;
  const stored = json<Stored[]>('stored.json');
  const find = (key: string, versionId?: string | null) =>
    stored.find((object) => object.key === key && (!versionId || object.versionId === versionId));
  const kept = (key: string) => find(key) && bytes(`bucket/${key}`);

  return {
    /** A machine's definition as it was deployed. */
    definition: (machine: 'backup' | 'restore' | 'fleet-backup') =>
      bytes(`definitions/${machine}.json`).toString(),
    catalog: json<Item[]>('catalog.json'),
    jobs: json<Item[]>('jobs.json'),

    /** Puts every item of both tables back as it was. */
    into({ dynamo }: Pick<MemoryControl, 'dynamo'>): void {
      for (const [table, items] of [
        ['catalog', json<Item[]>('catalog.json')],
        ['jobs', json<Item[]>('jobs.json')],
      ] as const) {
        dynamo.tables.set(table, new Map(items.map((item) => [`${item.pk}\u0000${item.sk}`, item])));
      }
    },

    /** The site's bucket: sizes and checksums of all, bytes of what is not a volume; new keys are written beside. */
    objects(bucket: string, onRead: (key: string) => void = () => {}): Objects {
      const written = new Map<string, Buffer>();
      const read = (key: string) => {
        if (find(key)) onRead(key);
        return written.get(key) ?? kept(key);
      };
      return {
        bucket,
        async get(key) {
          const body = read(key);
          return body && { body, versionId: find(key)?.versionId ?? null };
        },
        async first(key, most) {
          return read(key)?.subarray(0, most);
        },
        async stream(key) {
          const body = read(key);
          return body && Readable.from([body]);
        },
        async head(key, versionId) {
          const found = find(key, versionId);
          return found && { bytes: found.bytes, crc32: found.crc32, versionId: found.versionId };
        },
        async putOnce(key, body) {
          if (find(key) || written.has(key)) return { outcome: 'exists' };
          written.set(key, Buffer.from(body));
          return { outcome: 'written' };
        },
        async *list(prefix) {
          yield* [...stored.map(({ key }) => key), ...written.keys()]
            .filter((key) => key.startsWith(prefix))
            .sort();
        },
      };
    },
  };
}
