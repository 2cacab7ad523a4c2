import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EngineContext } from '../../../../../runner/engines/engine.ts';
import {
  aloneOnServer,
  listMarkers,
  readMarker,
  removeMarker,
  runnerLives,
  thisRunner,
  writeMarker,
} from '../../../../../runner/engines/mysql/applier-marker.ts';
import { sweepHost, sweepMember } from '../../../../../runner/engines/mysql/sweep.ts';
import { backupOrder } from '../../job/orders.ts';

describe('the marker of a stopped applier', () => {
  let state: string;
  beforeAll(() => {
    state = mkdtempSync(join(tmpdir(), 'markers-'));
  });
  afterAll(() => rmSync(state, { recursive: true, force: true }));

  const marker = {
    v: 1 as const,
    clusterId: 'shop',
    backupId: 'b-1',
    member: { ...backupOrder.member, credential: { kind: 'secret' as const, name: 'holdfast/db-1/nobody' } },
    channels: ['', "o'dd"],
    stoppedAt: '2026-11-23T02:00:00.000Z',
    runner: { pid: 2 ** 22 + 1, startTime: '1' },
  };
  const { member } = marker;
  /** Whoever goes for the server asks for its password first. */
  const contextOf = () => {
    const said: string[] = [];
    let asked = 0;
    const context = {
      readSecret: async () => {
        asked++;
        throw new Error('no password');
      },
      log: (message: string, facts = {}) => void said.push(`${message} ${JSON.stringify(facts)}`),
      signal: new AbortController().signal,
    } as unknown as EngineContext;
    return { context, said, asked: () => asked };
  };
  const fileOf = () =>
    join(state, 'applier', readdirSync(join(state, 'applier')).find((f) => f.endsWith('.json'))!);

  it('M11 outlives its writer, is found by the data directory, and is gone once it is removed', async () => {
    const { datadir } = member;
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

  it('M11 a sweep that comes late does not start what the next backup has stopped', async () => {
    await writeMarker(state, marker);
    const { context, asked } = contextOf();
    let sweeps: Promise<unknown>[] = [];
    await aloneOnServer(state, member.datadir, async () => {
      sweeps = [sweepMember(member, context, state, 'dead'), sweepHost(context, state)];
      await sleep(250);
      writeFileSync(fileOf(), JSON.stringify({ ...marker, backupId: 'b-2', runner: thisRunner() }));
    });
    expect(await Promise.all(sweeps)).toEqual([undefined, 0]);
    expect(asked()).toBe(0);
    expect(await readMarker(state, member.datadir)).toMatchObject({ backupId: 'b-2' });
    expect(readdirSync(join(state, 'applier'))).toHaveLength(1);
    await removeMarker(state, { member, backupId: 'b-2' });
  });

  it('M11 is not written while somebody starts the applier, nor waited for once the job is ended', async () => {
    const order: string[] = [];
    let writing: Promise<unknown> | undefined;
    await aloneOnServer(state, member.datadir, async () => {
      writing = writeMarker(state, marker).then(() => order.push('written'));
      await expect(writeMarker(state, marker, AbortSignal.timeout(150))).rejects.toThrow(/abort/);
      order.push('started');
    });
    await writing;
    expect(order).toEqual(['started', 'written']);
    await removeMarker(state, marker);
  });

  it('M11 a disk that takes no lock does not keep an applier stopped', async () => {
    const noDirectory = join(state, 'file');
    writeFileSync(noDirectory, '');
    expect(await aloneOnServer(noDirectory, member.datadir, async () => 'started')).toBe('started');
  });

  it('M11 of another release is undone by the next job on its member, and told by a sweep of the host', async () => {
    await writeMarker(state, marker);
    const { member: _, ...older } = marker;
    for (const other of [
      { ...older, memberId: member.memberId },
      { ...marker, member: { ...member, news: true } },
    ]) {
      writeFileSync(fileOf(), JSON.stringify(other));
      const host = contextOf();
      expect(await sweepHost(host.context, state)).toBe(1);
      expect(host.said.join()).toContain('another release wrote its marker');
      const job = contextOf();
      await expect(sweepMember(member, job.context, state, 'dead')).rejects.toThrow('holdfast/db-1/nobody');
      expect(job.asked()).toBe(1);
    }
    await removeMarker(state, marker);
  });

  it('M11 that is damaged is named with its file and keeps no sweep from the other servers', async () => {
    await writeMarker(state, marker);
    const whole = readFileSync(fileOf(), 'utf8');
    const damaged = fileOf();
    writeFileSync(damaged, whole.slice(0, 20));
    await expect(readMarker(state, member.datadir)).rejects.toThrow(damaged);
    const other = { ...marker, member: { ...member, datadir: `${member.datadir}2` } };
    await writeMarker(state, other);
    const { context, said, asked } = contextOf();
    expect(await sweepHost(context, state)).toBe(2);
    expect(said.join()).toContain('cannot be read');
    expect(asked()).toBe(1);
    await removeMarker(state, other);
    rmSync(damaged);
  });

  it('tells whether its writer lives, also where another process has its number now', () => {
    const runner = thisRunner();
    expect(runnerLives({ runner })).toBe(true);
    expect(runnerLives({ runner: { ...runner, startTime: '1' } })).toBe(false);
    expect(runnerLives({ runner: { pid: 2 ** 22 + 1, startTime: '1' } })).toBe(false);
  });
});
