import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NamedError } from '../../../../contract/errors/named-error.ts';
import type { SetOrder } from '../../../../contract/records/agent.ts';
import { type Notes, openNotes } from '../../../../runner/agent/notes.ts';
import {
  makeStoreSegment,
  noteLost,
  noteOf,
  recoverArchive,
} from '../../../../runner/agent/store-segment.ts';
import type { SealedSegment } from '../../../../runner/engines/mysql/binlog/segment-draft.ts';
import { nextSegment } from '../../../doubles/segments.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'store-segment-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const by = { clusterId: 'shop', set: 'main', timeline: 't-1', memberId: 'db1', hostId: 'i-0a', epoch: 1 };
const order = {
  clusterId: 'shop',
  set: 'main',
  archive: { timeline: 't-1', epoch: 1, after: null },
} as unknown as SetOrder;
const sealed = async (before: Awaited<ReturnType<typeof nextSegment>> | null, at: string) => {
  const made = await nextSegment(by, before?.end ?? null, at);
  return { made, segment: { ...made, crc: Number.parseInt(made.crc, 16) } as SealedSegment };
};

/** A store of write-once keys, and an agent on this host that ends at its n-th step, whatever that is. */
function host() {
  const objects = new Map<string, Buffer>();
  const agent = (stepsLeft = Number.POSITIVE_INFINITY) => {
    let left = stepsLeft;
    const step =
      <A extends unknown[], R>(work: (...of: A) => Promise<R>) =>
      async (...of: A): Promise<R> => {
        if (left-- <= 0) throw new Error('killed');
        return work(...of);
      };
    const disk = openNotes(directory, 'shop.main.db1');
    const notes: Notes = {
      read: disk.read,
      kept: disk.kept,
      write: step(disk.write),
      keep: step(disk.keep),
      forget: step(disk.forget),
    };
    const put = async ({ key, body }: { key: string; body: Buffer }) => {
      if (objects.has(key)) throw new NamedError('Store.Conflict', `${key} is there`);
      objects.set(key, body);
    };
    const parts = { order, notes, putObject: step(put) as never, signal: new AbortController().signal };
    return { parts, recover: () => recoverArchive(parts) };
  };
  return { objects, agent };
}

describe('an agent that is killed with SIGKILL', () => {
  it.each([0, 1, 2, 3, 4])(
    'at step %d of storing goes on with one segment for each number, and none missing',
    async (steps) => {
      const { objects, agent } = host();
      const one = await sealed(null, '2026-11-23T08:00:00.000Z');
      const whole = agent();
      await makeStoreSegment(whole.parts, null)(one.segment);
      const killed = agent(steps);
      const two = await sealed(one.made, '2026-11-23T08:01:00.000Z');
      await expect(makeStoreSegment(killed.parts, one.made.end)(two.segment)).rejects.toThrow('killed');
      // It is killed once more while it finds its way, and then not.
      await agent(0)
        .recover()
        .catch(() => {});
      const newest = await agent().recover();
      const stored = steps >= 2;
      expect(newest).toEqual(stored ? two.made.end : one.made.end);
      const next = await sealed(stored ? two.made : one.made, '2026-11-23T08:02:00.000Z');
      await makeStoreSegment(agent().parts, newest)(next.segment);
      expect([...objects.keys()]).toEqual([one, ...(stored ? [two] : []), next].map(({ made }) => made.key));
      expect(await agent().recover()).toEqual(next.made.end);
      expect(readdirSync(join(directory, 'logs'))).toEqual(['shop.main.db1.json']);
    },
  );

  it('keeps in mind that its archive cannot go on, until a new timeline is ordered', async () => {
    const { agent } = host();
    const one = await sealed(null, '2026-11-23T08:00:00.000Z');
    const { parts } = agent();
    await makeStoreSegment(parts, null)(one.segment);
    await noteLost(parts, one.made.end, 'log_bin is OFF');
    expect(await agent().recover()).toEqual(one.made.end);
    expect((await noteOf(agent().parts))?.lost).toBe('log_bin is OFF');
    const next = { ...order, archive: { ...order.archive!, timeline: 't-2' } };
    expect(await noteOf({ ...agent().parts, order: next })).toBeUndefined();
  });

  it('names days in the order of its segments, also where the clock was set back over midnight', async () => {
    const one = await sealed(null, '2026-11-24T00:00:10.000Z');
    const two = await sealed(one.made, '2026-11-23T23:59:50.000Z');
    expect(two.made.key).toContain('/2026-11-24/000000001-');
  });
});
