import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  listMarkers,
  readMarker,
  removeMarker,
  runnerLives,
  thisRunner,
  writeMarker,
} from '../../../../../runner/engines/mysql/applier-marker.ts';
import { backupOrder } from '../../job/orders.ts';

describe('the marker of a stopped applier', () => {
  let state: string;
  beforeAll(() => {
    state = mkdtempSync(join(tmpdir(), 'markers-'));
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  it('M11 outlives its writer, is found by the data directory, and is gone once it is removed', async () => {
    const marker = {
      v: 1 as const,
      clusterId: 'shop',
      backupId: 'b-1',
      member: backupOrder.member,
      channels: ['', "o'dd"],
      stoppedAt: '2026-11-23T02:00:00.000Z',
      runner: thisRunner(),
    };
    const { datadir } = marker.member;
    expect(await readMarker(state, datadir)).toBeUndefined();
    expect(await listMarkers(state)).toEqual([]);
    await writeMarker(state, marker);
    expect(await readMarker(state, datadir)).toEqual(marker);
    expect(await readMarker(state, `${datadir}2`)).toBeUndefined();
    expect(await listMarkers(state)).toEqual([marker]);
    await removeMarker(state, { ...marker, backupId: 'b-0' });
    expect(await readMarker(state, datadir)).toEqual(marker);
    await removeMarker(state, marker);
    expect(await readMarker(state, datadir)).toBeUndefined();
  });

  it('tells whether its writer lives, also where another process has its number now', () => {
    const runner = thisRunner();
    expect(runnerLives({ runner })).toBe(true);
    expect(runnerLives({ runner: { ...runner, startTime: '1' } })).toBe(false);
    expect(runnerLives({ runner: { pid: 2 ** 22 + 1, startTime: '1' } })).toBe(false);
  });
});
