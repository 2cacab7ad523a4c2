import { describe, expect, it } from 'vitest';
import type { ClusterRecord } from '../../../../contract/records/cluster.ts';
import type { Policy } from '../../../../contract/records/policy.ts';
import type { BreachKind } from '../../../../functions/catalog/breach.ts';
import type { BackupFact, CoverageRecord, SlotFact } from '../../../../functions/catalog/coverage.ts';
import { judge, planAt, watchedSince } from '../../../../functions/coverage/judge.ts';
import { aCluster, aCoverage, aPolicy } from '../../../doubles/records.ts';

// Policy nightly: 02:00 in Berlin, 01:00Z in November; 60 minutes of window, 3 attempts, 24 h of deadline.
const fact = (slot: string | null, startedAt: string, change: Partial<BackupFact> = {}): BackupFact => ({
  ...aCoverage().counted!,
  slot,
  startedAt,
  ...change,
});
const of23rd = fact('20261123T0100Z', '2026-11-23T01:20:00.000Z');
const of24th = fact('20261124T0100Z', '2026-11-24T01:20:00.000Z');
const slot24 = (change: Partial<SlotFact>): SlotFact => ({
  slot: '20261124T0100Z',
  attempt: 1,
  state: 'open',
  openedAt: '2026-11-24T01:05:00.000Z',
  ...change,
});

type Given = { open?: BreachKind[]; cluster?: ClusterRecord; policy?: Policy | undefined };
const standing = (at: string, coverage: Partial<CoverageRecord>, given: Given = {}) => {
  const now = new Date(at);
  const { open = [], cluster = aCluster(), policy } = { policy: aPolicy(), ...given };
  const plan = planAt(cluster.document.policy, policy, now);
  return judge(cluster, aCoverage(coverage), plan, new Set(open), now);
};

describe('a watched cluster', () => {
  it('is covered by the backup of the newest slot whose window has passed', () => {
    expect(standing('2026-11-23T12:00:00.000Z', { counted: of23rd })).toMatchObject({
      state: 'covered',
      holds: [],
      due: { slot: '20261123T0100Z' },
    });
  });

  it('stays covered until the window of the next slot is over, and not a moment longer', () => {
    expect(standing('2026-11-24T02:00:00.000Z', { counted: of23rd, slots: [] }).state).toBe('covered');
    expect(standing('2026-11-24T02:00:00.001Z', { counted: of23rd, slots: [] })).toMatchObject({
      state: 'overdue',
      holds: ['overdue'],
      due: { slot: '20261124T0100Z' },
    });
  });

  it('says how old its newest good backup is, from its beginning', () => {
    expect(standing('2026-11-24T01:20:00.000Z', { counted: of23rd }).ageHours).toBe(24);
    const never = { counted: null, watchedSince: '2026-11-24T00:20:00.000Z' };
    expect(standing('2026-11-24T01:20:00.000Z', never).ageHours).toBe(1);
  });

  it.each([
    ['its attempt runs', { slots: [slot24({})] }],
    ['its backup runs', { underWay: fact('20261124T0100Z', '2026-11-24T01:20:00.000Z') }],
    ['one by hand runs', { underWay: fact(null, '2026-11-24T01:30:00.000Z') }],
  ])('waits while %s, for as long as a backup may take', (_, facts) => {
    const coverage = { counted: of23rd, slots: [], ...facts };
    expect(standing('2026-11-24T06:00:00.000Z', coverage)).toMatchObject({ state: 'waiting', holds: [] });
    expect(standing('2026-11-25T02:00:00.000Z', coverage)).toMatchObject({ state: 'waiting', holds: [] });
    const late = { ...aPolicy(), deadlineHours: 3 };
    expect(standing('2026-11-24T06:00:00.000Z', coverage, { policy: late }).state).toBe('overdue');
  });

  it('is not excused by a backup that began before the slot, nor by one of a later slot', () => {
    const before = { counted: of23rd, slots: [], underWay: fact(null, '2026-11-24T00:50:00.000Z') };
    expect(standing('2026-11-24T03:00:00.000Z', before).state).toBe('overdue');
    const hourly = aPolicy({ schedule: { cron: '0 * * * *', zone: 'UTC', windowMinutes: 60 } });
    const next = { counted: of23rd, slots: [slot24({ slot: '20261124T0300Z' })] };
    expect(standing('2026-11-24T03:05:00.000Z', next, { policy: hourly })).toMatchObject({
      state: 'overdue',
      due: { slot: '20261124T0200Z' },
    });
  });

  it('stays overdue once that was told, until a backup counts and not only runs', () => {
    const running = { counted: of23rd, slots: [], underWay: fact(null, '2026-11-24T03:00:00.000Z') };
    const open: BreachKind[] = ['overdue'];
    expect(standing('2026-11-24T03:05:00.000Z', running, { open }).holds).toEqual(['overdue']);
    const done = { ...running, underWay: null, counted: fact(null, '2026-11-24T03:00:00.000Z') };
    expect(standing('2026-11-24T04:00:00.000Z', done, { open })).toMatchObject({
      state: 'covered',
      holds: [],
    });
  });

  it('does not get out of it by another schedule', () => {
    const moved = { counted: of23rd, slots: [], watchedSince: '2026-11-24T12:00:00.000Z' };
    const now = '2026-11-24T12:00:00.000Z';
    expect(standing(now, moved, { open: ['overdue'] }).holds).toEqual(['overdue']);
    expect(standing(now, moved)).toMatchObject({ state: 'waiting', holds: [], due: undefined });
  });

  it('failed when attempts or window of a slot are used up; a message of that is not followed by one of the miss', () => {
    const lastFailed = slot24({ attempt: 3, state: 'failed', error: { name: 'Job.Lost', cause: 'gone' } });
    expect(standing('2026-11-24T01:40:00.000Z', { counted: of23rd, slots: [lastFailed] })).toMatchObject({
      state: 'covered',
      holds: ['failed'],
      failedSlot: lastFailed,
    });
    const firstFailed = slot24({ attempt: 1, state: 'failed' });
    const one = { counted: of23rd, slots: [firstFailed] };
    expect(standing('2026-11-24T01:40:00.000Z', one).holds).toEqual([]);
    expect(standing('2026-11-24T02:00:01.000Z', one)).toMatchObject({
      state: 'overdue',
      holds: ['failed'],
    });
    expect(standing('2026-11-24T02:00:01.000Z', one, { open: ['overdue'] }).holds).toEqual([
      'overdue',
      'failed',
    ]);
  });

  it('failed where a late start of its first slot did, though that was planned before it was registered', () => {
    const registered = { counted: null, watchedSince: '2026-11-24T01:10:00.000Z' };
    const tried = slot24({ attempt: 3, state: 'failed', openedAt: '2026-11-24T01:30:00.000Z' });
    const now = '2026-11-24T01:40:00.000Z';
    expect(standing(now, { ...registered, slots: [tried] }).holds).toEqual(['failed']);
    const before = { ...tried, openedAt: '2026-11-24T01:05:00.000Z' };
    expect(standing(now, { ...registered, slots: [before] }).holds).toEqual([]);
  });

  it('goes on having failed while the next slot runs, and no more when a backup counts', () => {
    const next = { counted: of23rd, slots: [slot24({})] };
    const now = '2026-11-24T03:00:00.000Z';
    expect(standing(now, next, { open: ['failed'] }).holds).toEqual(['failed']);
    const done = { counted: of24th, slots: [slot24({ attempt: 3, state: 'failed' })] };
    expect(standing(now, done, { open: ['failed'] })).toMatchObject({ state: 'covered', holds: [] });
  });

  it.each<[BreachKind, Partial<CoverageRecord>]>([
    ['lost', { lost: fact(null, '2026-11-23T03:00:00.000Z', { state: 'lost' }) }],
    ['suspect', { suspect: fact(null, '2026-11-23T03:00:00.000Z', { state: 'suspect' }) }],
    ['unclaimed', { unclaimed: { count: 2, first: ['s3://b/orders/backups/x/manifest.json'] } }],
  ])('has a %s breach from what was seen', (kind, coverage) => {
    expect(standing('2026-11-23T12:00:00.000Z', { counted: of23rd, ...coverage }).holds).toEqual([kind]);
  });

  it('is overdue where its policy is not deployed or plans nothing: nobody will ever back it up', () => {
    const now = '2026-11-23T12:00:00.000Z';
    expect(standing(now, { counted: of23rd }, { policy: undefined })).toMatchObject({
      state: 'overdue',
      holds: ['overdue'],
      planless: 'its policy nightly is not deployed',
    });
    const never = aPolicy({ schedule: { cron: '0 0 30 2 *', zone: 'UTC', windowMinutes: 60 } });
    expect(standing(now, { counted: of23rd }, { policy: never })).toMatchObject({
      state: 'overdue',
      planless: 'its policy nightly plans no slot',
    });
  });
});

describe('slots that nobody has to back up', () => {
  const now = new Date('2026-11-24T12:00:00.000Z');
  const since = (cluster: ReturnType<typeof aCluster>, known?: Partial<CoverageRecord>) =>
    watchedSince(cluster, known && aCoverage(known), { text: aCoverage().plan }, now);
  const registered = (change: object, registeredAt = '2026-11-24T10:00:00.000Z') => ({
    ...aCluster(change),
    registeredAt,
  });

  it('are those before the registration', () => {
    expect(since(registered({}))).toBe('2026-11-24T10:00:00.000Z');
    const fresh = { counted: null, slots: [], watchedSince: '2026-11-24T10:00:00.000Z' };
    expect(standing(now.toISOString(), fresh)).toMatchObject({ state: 'waiting', holds: [] });
    expect(standing('2026-11-25T02:00:01.000Z', fresh)).toMatchObject({ state: 'overdue' });
    const byHand = { ...fresh, counted: fact(null, '2026-11-24T11:00:00.000Z') };
    expect(standing(now.toISOString(), byHand).state).toBe('covered');
  });

  it('are not made more by registering a watched cluster again', () => {
    const known = { watchedSince: '2026-11-01T08:00:00.000Z' };
    expect(since(registered({}), known)).toBe('2026-11-01T08:00:00.000Z');
  });

  it('are those of a pause, whether Reconcile saw it or not', () => {
    const over = { paused: { until: '2026-11-24T11:00:00.000Z', reason: 'move' } };
    expect(since(registered(over), { watchedSince: null })).toBe('2026-11-24T11:00:00.000Z');
    expect(since(registered(over), { watchedSince: '2026-11-01T08:00:00.000Z' })).toBe(
      '2026-11-24T11:00:00.000Z',
    );
    expect(since(registered({}), { watchedSince: null })).toBe('2026-11-24T10:00:00.000Z');
  });

  it('are those of another plan', () => {
    expect(since(registered({}), { plan: 'weekly 0 2 * * 0 UTC' })).toBe(now.toISOString());
    const gone = planAt('nightly', undefined, now);
    expect(watchedSince(registered({}), aCoverage(), gone, now)).toBe(aCoverage().watchedSince);
  });

  it.each([
    [
      'paused',
      { paused: { until: '2026-11-30T00:00:00.000Z', reason: 'move' } },
      'registered',
      'paused until',
    ],
    ['retired', { retired: true }, 'registered', 'retired'],
    ['not checked', {}, 'checking', 'not registered yet'],
  ] as const)(
    'are all of a cluster that is %s, which shows nothing but unclaimed objects',
    (_, change, state, why) => {
      const cluster = { ...aCluster(change), state };
      expect(since(cluster, {})).toBeNull();
      const bad = {
        watchedSince: null,
        counted: null,
        lost: of23rd,
        unclaimed: { count: 1, first: [] },
      };
      expect(standing(now.toISOString(), bad, { cluster, open: ['overdue', 'failed'] })).toMatchObject({
        state: 'unwatched',
        unwatched: expect.stringContaining(why),
        holds: ['unclaimed'],
        ageHours: null,
      });
    },
  );
});
