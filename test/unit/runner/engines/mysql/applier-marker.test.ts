import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  readMarker,
  removeMarker,
  runnerLives,
  thisRunner,
  writeMarker,
} from '../../../../../runner/engines/mysql/applier-marker.ts';

describe('the note about a stopped applier', () => {
  let state: string;
  beforeAll(() => {
    state = mkdtempSync(join(tmpdir(), 'applier-'));
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  it('M11 outlives its writer, is found by the data directory, and is gone once it is removed', async () => {
    const marker = {
      v: 1 as const,
      clusterId: 'shop',
      memberId: 'replica',
      backupId: 'b-1',
      channels: ['', "o'dd"],
      stoppedAt: '2026-11-23T02:00:00.000Z',
      runner: thisRunner(),
    };
    expect(await readMarker(state, '/var/lib/mysql')).toBeUndefined();
    await writeMarker(state, '/var/lib/mysql', marker);
    expect(await readMarker(state, '/var/lib/mysql')).toEqual(marker);
    expect(await readMarker(state, '/var/lib/mysql2')).toBeUndefined();
    await removeMarker(state, '/var/lib/mysql');
    expect(await readMarker(state, '/var/lib/mysql')).toBeUndefined();
  });

  it('tells whether its writer lives, also where another process has its number now', () => {
    const runner = thisRunner();
    expect(runnerLives({ runner })).toBe(true);
    expect(runnerLives({ runner: { ...runner, startTime: '1' } })).toBe(false);
    expect(runnerLives({ runner: { pid: 2 ** 22 + 1, startTime: '1' } })).toBe(false);
  });
});
