import { describe, expect, it } from 'vitest';
import { chooseMethod, type MethodInput } from '../../../../functions/backup/choose-method.ts';
import type { Candidate } from '../../../../functions/backup/member.ts';
import { aBackup, aCheckResult, aMember, aPolicy } from '../../../doubles/records.ts';

const GB = 1e9;
const dumpable = { toolVersion: '0.10.0', spoolFreeBytes: 100 * GB, refusals: [] as string[] };

function candidate(memberId: string, dataBytes: number, logical: object | undefined = dumpable): Candidate {
  const { member } = aCheckResult(memberId, {
    dataBytes,
    ...(logical ? { logical: { ...dumpable, ...logical } } : {}),
  });
  return { member: aMember(memberId, `i-${memberId}`), seen: member! };
}

const choose = (change: Partial<MethodInput> & { bytes?: number } = {}) =>
  chooseMethod({
    policy: aPolicy({ method: 'auto' }),
    history: [],
    candidates: [candidate('a', change.bytes ?? GB)],
    now: new Date('2026-11-23T01:00:00.000Z'),
    ...change,
  });

const last = (method: 'physical' | 'logical') => [
  aBackup({ method, committedAt: '2026-11-22T01:10:00.000Z', extra: false }),
];

describe('M25 the method by size', () => {
  it.each([
    [20 * GB - 1, 'logical'],
    [20 * GB, 'physical'],
  ])('of %d bytes on the first backup is %s', (bytes, method) => {
    expect(choose({ bytes }).method).toBe(method);
  });

  it.each<[number, 'physical' | 'logical', 'physical' | 'logical']>([
    [22 * GB, 'logical', 'logical'],
    [22 * GB + 1, 'logical', 'physical'],
    [18 * GB, 'physical', 'physical'],
    [18 * GB - 1, 'physical', 'logical'],
  ])('of %d bytes after a %s one is %s', (bytes, before, method) => {
    expect(choose({ bytes, history: last(before) }).method).toBe(method);
  });

  it('looks past attempts that failed and extras', () => {
    const failed = aBackup({ method: 'physical', state: 'failed' });
    const { committedAt: _, ...open } = failed;
    expect(choose({ bytes: 21 * GB, history: [open, ...last('logical')] }).method).toBe('logical');
    const extra = aBackup({ method: 'physical', extra: true, committedAt: '2026-11-22T02:00:00.000Z' });
    expect(choose({ bytes: 21 * GB, history: [extra, ...last('logical')] }).method).toBe('logical');
  });

  it('is told with its sizes', () => {
    const choice = choose({ bytes: 3.2 * GB });
    expect(choice).toMatchObject({
      method: 'logical',
      reasons: [
        expect.stringContaining('leaves the method to the size: 3.2 GB of data files are under 20 GB'),
        expect.stringContaining("on the host's disk"),
      ],
    });
    expect(choose({ bytes: 19 * GB, history: last('physical') })).toMatchObject({
      reasons: [
        expect.stringContaining(
          '19.0 GB of data files are not under 18 GB; the last backup was physical too',
        ),
      ],
    });
  });
});

describe('M09 what a dump would lose is copied instead', () => {
  const lossy = { refusals: ['shop.t.f are FLOAT, of which a dump has six digits'] };

  it('under auto, with the reason', () => {
    const choice = choose({ candidates: [candidate('a', GB, lossy)] });
    expect(choice).toMatchObject({
      method: 'physical',
      reasons: [expect.any(String), expect.stringContaining('a: shop.t.f are FLOAT')],
    });
  });

  it('and refused by name where the policy names the dump', () => {
    const choice = choose({
      policy: aPolicy({ method: 'logical' }),
      candidates: [candidate('a', GB, lossy)],
    });
    expect(choice).toMatchObject({ method: 'none', why: expect.stringContaining('FLOAT') });
  });

  it('while the next member that can be dumped is taken before', () => {
    const choice = choose({ candidates: [candidate('a', GB, lossy), candidate('b', GB)] });
    expect(choice.method === 'logical' && choice.chosen.member.memberId).toBe('b');
  });

  it('and a runner that takes no dumps gets none', () => {
    const old = { ...candidate('a', GB) };
    const { logical: _, ...seen } = old.seen;
    expect(choose({ candidates: [{ ...old, seen }] })).toMatchObject({
      method: 'physical',
      reasons: [expect.any(String), expect.stringContaining('takes no logical backups')],
    });
  });
});

describe('M21 the room of a dump', () => {
  const roomOf = (bytes: number, spoolFreeBytes: number) => {
    const choice = choose({ candidates: [candidate('a', bytes, { spoolFreeBytes })] });
    return choice.method === 'logical' ? choice.spoolBytes : choice.method;
  };

  it('is the dump as it may become, at most 8 GiB, and never more than four fifths of what is free', () => {
    expect(roomOf(0.1 * GB, 100 * GB)).toBe(125_000_000 + 256 * 1024 ** 2);
    expect(roomOf(15 * GB, 100 * GB)).toBe(8 * 1024 ** 3);
    expect(roomOf(15 * GB, 5 * GB)).toBe(4 * GB);
  });

  it('is looked at first: with too little the files are copied', () => {
    expect(roomOf(15 * GB, GB)).toBe('physical');
    expect(roomOf(0.1 * GB, 0.2 * GB)).toBe('physical');
  });

  it('that was overrun, and definitions that moved, turn the next plan to the files, for a week', () => {
    const failed = (name: string, startedAt: string) =>
      aBackup({ method: 'logical', state: 'failed', startedAt, error: { name, cause: 'c' } });
    const chosenAfter = (name: string, startedAt = '2026-11-23T00:10:00.000Z') =>
      choose({ history: [failed(name, startedAt), ...last('logical')] });
    expect(chosenAfter('Backup.SpoolFull')).toMatchObject({
      method: 'physical',
      reasons: [expect.any(String), expect.stringContaining('Backup.SpoolFull')],
    });
    expect(chosenAfter('Backup.DefinitionsMoved').method).toBe('physical');
    expect(chosenAfter('Backup.ToolFailed').method).toBe('logical');
    expect(chosenAfter('Backup.SpoolFull', '2026-11-15T00:10:00.000Z').method).toBe('logical');
  });
});

describe('the policy may force a method', () => {
  it('whatever the size', () => {
    expect(choose({ policy: aPolicy({ method: 'physical' }), bytes: GB })).toEqual({
      method: 'physical',
      reasons: [expect.stringContaining('names the method physical')],
    });
    expect(choose({ policy: aPolicy({ method: 'logical' }), bytes: 900 * GB })).toMatchObject({
      method: 'logical',
      reasons: [expect.stringContaining('names the method logical'), expect.any(String)],
    });
  });
});
