import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogOrder } from '../../../../contract/records/log-order.ts';
import { logOrderOf } from '../../../../functions/restore/point/log-order.ts';
import { resolvePoint } from '../../../../functions/restore/point/resolve-point.ts';
import { archivedLog } from '../../../../runner/job/archived-log.ts';
import { stretchOf } from '../../../doubles/archived-segments.ts';
import { syntheticLog } from '../../../doubles/synthetic-log.ts';

const of = { clusterId: 'shop', timeline: 't-1', flavour: 'mariadb' as const, begins: '' };
const stored = syntheticLog(
  of,
  Array.from({ length: 150 }, (_, n) => ({
    gtids: [`0-1-${n + 1}`],
    seen: new Date(Date.UTC(2026, 10, 23, 8, 0, n)).toISOString(),
    newFile: n % 50 === 0,
  })),
);
const from = { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid: '0-1-10' };

let directory: string;
let bodies: Map<string, Buffer>;
let order: LogOrder;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdfast-log-'));
  bodies = new Map(stored.map(({ key, body }) => [key, body]));
  const stretch = stretchOf(stored);
  const point = await resolvePoint({ gtid: '0-1-140' }, stretch, async (n) => stored[n]!.index);
  if (point.outcome !== 'point') throw new Error(point.why);
  order = logOrderOf(from, point, stretch);
});
afterEach(() => rmSync(directory, { recursive: true }));

const fetch = (changes: Partial<LogOrder> = {}, clusterId = 'shop') =>
  archivedLog(
    { ...order, ...changes },
    clusterId,
    {
      getSmallObject: async ({ key }) => {
        const body = bodies.get(key);
        if (body === undefined) throw new Error(`no ${key}`);
        return body;
      },
    },
    { signal: new AbortController().signal, progress: () => {}, log: () => {} },
  ).fetch(directory);

/** Another object at a key, as a host that forges one would have it. */
const forge = (n: number, body: Buffer) => bodies.set(stored[n]!.key, body);

describe('the archived log that an order names', () => {
  it('is fetched whole and in order, however few of its segments the order names', async () => {
    expect(order).toMatchObject({ segments: 140, first: stored[0]!.key });
    expect(order.ends.length).toBeLessThanOrEqual(64);
    const paths = await fetch();
    expect(paths.map((path) => readFileSync(path))).toEqual(stored.slice(0, 140).map(({ body }) => body));
    expect(readdirSync(directory)).toHaveLength(140);
  });

  it('holds only segments whose CRC32 the next one names', async () => {
    const body = Buffer.from(stored[70]!.body);
    body.writeUInt8(body.readUInt8(body.length - 1) ^ 1, body.length - 1);
    forge(70, body);
    await expect(fetch()).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining(`${stored[70]!.crc} is recorded`),
    });
  });

  it('is refused where the chain does not lead to its first segment', async () => {
    await expect(fetch({ first: `${stored[0]!.key}x`, segments: 141 })).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining('is the first of its timeline'),
    });
    expect(readdirSync(directory).length).toBeLessThanOrEqual(140);
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
    await expect(fetch({ segments: 139 })).rejects.toMatchObject({
      message: expect.stringContaining('is more than the 139'),
    });
  });

  it('is of one cluster and timeline', async () => {
    await expect(fetch({}, 'other')).rejects.toMatchObject({
      name: 'Restore.StreamDamaged',
      message: expect.stringContaining('does not lie below other/logs/main/t-1/'),
    });
  });

  it('names the right CRC32 of what is stored', () => {
    const { body, crc } = stored[3]!;
    expect(crc32(body).toString(16).padStart(8, '0')).toBe(crc);
  });
});
