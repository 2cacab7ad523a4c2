import { describe, expect, it } from 'vitest';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import type { MemberInspection } from '../../../../contract/records/job.ts';
import { policySchema } from '../../../../contract/records/policy.ts';
import { askedLevel } from '../../../../functions/backup/plan.ts';
import { planBackup } from '../../../../functions/backup/plan-backup.ts';
import { aChain, anOrigin } from '../../../doubles/chain.ts';
import { aBackup, aCheckResult, aCluster, aMember, aPolicy } from '../../../doubles/records.ts';

const most = { most: 6, waitMinutes: 0 };
const policy = aPolicy({ incrementals: most });
const seen = (memberId: string, change: Partial<MemberInspection> = {}) => ({
  memberId,
  result: aCheckResult(memberId, {
    serverVersion: aBackup().serverVersion!,
    serverUuid: anOrigin.uuid,
    serverId: anOrigin.serverId,
    datadir: anOrigin.datadir,
    files: anOrigin.files,
    ...change,
  }),
});
const primary = seen('orders-a', { role: 'primary', lagSeconds: null, serverUuid: 'another' });
type Input = Parameters<typeof planBackup>[0];

const plan = (history: readonly BackupRecord[], change: Partial<Input> = {}) =>
  planBackup({
    cluster: aCluster().document,
    policy,
    site: aBackup().site,
    inspections: [primary, seen('orders-b')],
    history,
    slot: null,
    now: new Date('2026-11-23T01:05:00.000Z'),
    ids: { backupId: 'b-new', jobId: 'job-1' },
    physicalHostOf: (hostId) => hostId,
    ...change,
  });
const planned = (...given: Parameters<typeof plan>) => {
  const answer = plan(...given);
  if (answer.outcome !== 'planned') throw new Error(answer.error.cause);
  return { ...answer.order.plan, memberId: answer.order.member.memberId };
};
const whyFull = (...given: Parameters<typeof plan>) => {
  const { level, reasons, chain, parent, increment } = planned(...given);
  expect({ level, chain, parent, increment }).toEqual({ level: 'full', chain: 'b-new', parent: null });
  return reasons.find((reason) => reason.startsWith('a full one'));
};

describe('the level of the next backup', () => {
  it('is full on a policy that says nothing of incrementals, as before', () => {
    const before = policySchema.parse({
      name: 'nightly',
      schedule: { cron: '0 2 * * *' },
      method: 'physical',
    });
    expect(before).not.toHaveProperty('incrementals');
    expect(whyFull(aChain(0), { policy: aPolicy() })).toBe(
      'a full one: the policy nightly takes no incrementals',
    );
  });

  it('is incremental on the newest verified backup, from where that ends, and says so', () => {
    const { memberId, level, chain, parent, increment, expectedBytes, reasons } = planned(aChain(2));
    expect({ memberId, level, chain, parent, expectedBytes }).toEqual({
      memberId: 'orders-b',
      level: 'incremental',
      chain: 'b-0',
      parent: 'b-2',
      expectedBytes: 600_000_000,
    });
    expect(increment).toEqual({
      links: ['b-0', 'b-1', 'b-2'],
      fromLsn: '3000',
      origin: anOrigin,
      serverVersion: aBackup().serverVersion,
      toolVersion: aBackup().toolVersion,
    });
    expect(reasons).toContain(
      'an incremental one: number 3 of at most 6 on the full b-0, from LSN 3000 of b-2',
    );
    expect(reasons).toContain('a restore of the chain is predicted to take 3 minutes');
    expect(reasons).toContain(
      'member orders-b is a replica 0 s behind, of which the chain is, one of 2 that may be backed up',
    );
  });

  it('M20: stays with the member of the chain, though another replica lags less', () => {
    const members = ['a', 'b', 'c'].map((name) => aMember(`orders-${name}`, `i-${name}`));
    const inspections = [primary, seen('orders-b', { lagSeconds: 9 }), seen('orders-c', { serverUuid: 'c' })];
    const change = { cluster: { ...aCluster().document, members }, inspections };
    expect(planned(aChain(1), change)).toMatchObject({ memberId: 'orders-b', level: 'incremental' });
    expect(planned(aChain(6), change)).toMatchObject({ memberId: 'orders-c', level: 'full' });
  });

  const b = (change: Partial<MemberInspection>) => ({ inspections: [primary, seen('orders-b', change)] });
  const newest = (change: Partial<BackupRecord>) => aChain(2, (n) => (n === 2 ? change : {}));
  const failed = (name: string) => [
    aBackup({
      backupId: 'b-failed',
      level: 'incremental',
      parent: 'b-2',
      state: 'failed',
      committedAt: undefined,
      error: { name, cause: 'it begins at LSN 1' },
    }),
    ...aChain(2),
  ];

  it.each<[string, readonly BackupRecord[], Partial<Input>]>([
    ['there is no full backup yet', [], {}],
    ['the chain has 6 incrementals, the policy allows 6', aChain(6), {}],
    [
      'a restore of the chain and one more incremental would take 3 minutes, the policy allows 2',
      aChain(2),
      { policy: aPolicy({ incrementals: { ...most, restoreMinutes: 2 } }) },
    ],
    ['the last backup, b-2, is suspect', newest({ state: 'suspect' }), {}],
    ['the last backup, b-2, is committed', newest({ state: 'committed' }), {}],
    ['the last backup, b-2, is quarantined', newest({ state: 'quarantined' }), {}],
    ['the last backup, b-2, is expiring', newest({ state: 'expiring' }), {}],
    [
      'the chain has a hole: b-1 needs b-0, which is expired',
      aChain(2, (n) => (n === 0 ? { state: 'expired' } : {})),
      {},
    ],
    ['the chain broke with b-failed: it begins at LSN 1', failed('Backup.ChainBroken'), {}],
    ['backup b-0 does not say of which files it is', aChain(0, () => ({ origin: undefined })), {}],
    [
      'the chain is of timeline orders-1',
      [
        aBackup({ method: 'logical', timeline: 'orders-2', startedAt: '2026-11-22T04:00:00.000Z' }),
        ...aChain(2),
      ],
      {},
    ],
    [
      'the chain lies in elsewhere',
      aChain(2, () => ({ site: { site: 's', bucket: 'elsewhere', region: 'r' } })),
      {},
    ],
    ['the runner of member orders-b takes no incrementals yet', aChain(2), b({ files: undefined })],
    [
      'M23: the server of member orders-b was 10.11.6-MariaDB-log and is 10.11.7 now',
      aChain(2),
      b({ serverVersion: '10.11.7' }),
    ],
    [
      'M23: the tool of member orders-b was 10.11.6 and is 10.11.7 now',
      aChain(2),
      b({ toolVersion: '10.11.7' }),
    ],
    ['member orders-b is another server now', aChain(2), b({ serverUuid: 'another' })],
    ['member orders-b is another server now', aChain(2), b({ serverId: 77 })],
    ['the data directory of member orders-b is another one now', aChain(2), b({ datadir: '/data' })],
    ['M15: the data directory of member orders-b is another one now', aChain(2), b({ files: '9:9' })],
    [
      'the member stands at 0-1-9 and lacks what backup b-2 has (0-1-184467)',
      aChain(2),
      b({ position: { kind: 'mysql', flavour: 'mariadb', gtid: '0-1-9' } }),
    ],
    [
      'the member stands at none of ours and lacks what backup b-2 has',
      aChain(2),
      b({ position: { kind: 'mysql', flavour: 'mariadb', gtid: 'none of ours' } }),
    ],
  ])('is full where %s', (why, history, change) => {
    expect(whyFull(history, change)).toContain(why.replace(/^M\d\d: /, ''));
  });

  it('is full from another member where that of the chain cannot be backed up, with its reasons', () => {
    const away = { inspections: [primary, seen('orders-b', { lagSeconds: 301 })] };
    expect(planned(aChain(2), away).memberId).toBe('orders-a');
    expect(whyFull(aChain(2), away)).toBe(
      'a full one: member orders-b, of which the chain is, cannot be backed up now: it lags 301 s behind, the policy takes 300 s at most',
    );
  });

  it('M20: waits for the member of the chain as long as the policy says, and never past the last attempt or the window', () => {
    const away = {
      inspections: [primary, seen('orders-b', { lagSeconds: 301 })],
      policy: aPolicy({ incrementals: { most: 6, waitMinutes: 30 } }),
      slot: '20261123T0100Z',
    };
    const at = (minute: number, attempt = 1, change: Partial<Input> = {}) =>
      plan(aChain(2), { ...away, now: new Date(`2026-11-23T01:${minute}:00.000Z`), attempt, ...change });
    expect(at(10)).toMatchObject({
      outcome: 'refused',
      error: {
        name: 'Cluster.MemberAway',
        cause:
          'member orders-b, of which the chain is, cannot be backed up now: it lags 301 s behind, the policy takes 300 s at most; the policy nightly waits for it until 30 minutes after the slot, then it takes a full of another member',
      },
    });
    const fulls = [
      at(31),
      at(10, 3),
      at(10, 1, { slot: null }),
      at(10, 1, { policy }),
      at(10, 1, { asked: { level: 'full', by: 'order', reason: 'why' } }),
      at(10, 1, { cluster: { ...aCluster().document, members: [aMember('orders-a', 'i-a')] } }),
    ];
    for (const answer of fulls)
      expect(answer).toMatchObject({ outcome: 'planned', order: { plan: { level: 'full' } } });
    const short = aPolicy({
      incrementals: { most: 6, waitMinutes: 30 },
      schedule: { ...policy.schedule, windowMinutes: 20 },
    });
    expect(at(10, 1, { policy: short })).toMatchObject({ outcome: 'planned' });
  });

  it('is full after a failover: the member of the chain has become the primary', () => {
    const failover = {
      inspections: [
        seen('orders-a', { role: 'replica', serverUuid: 'a' }),
        seen('orders-b', { role: 'primary', lagSeconds: null }),
      ],
    };
    expect(planned(aChain(2), failover)).toMatchObject({ memberId: 'orders-a', level: 'full' });
    expect(whyFull(aChain(2), failover)).toContain(
      'replica orders-a goes before the primary of which the chain is',
    );
    const alone = { inspections: [seen('orders-b', { role: 'primary', lagSeconds: null })] };
    expect(whyFull(aChain(2), alone)).toContain('member orders-b was a replica and is a primary now');
  });

  it('goes on with the chain after another failure, past an extra, and past a logical backup', () => {
    for (const name of ['Backup.RedoOverrun', 'Job.Lost'])
      expect(planned(failed(name))).toMatchObject({ level: 'incremental', parent: 'b-2' });
    const others = [
      aBackup({ backupId: 'b-x', extra: true, startedAt: '2026-11-22T05:00:00.000Z' }),
      aBackup({ backupId: 'b-l', method: 'logical', startedAt: '2026-11-22T04:00:00.000Z' }),
    ];
    expect(planned([...others, ...aChain(2)])).toMatchObject({ level: 'incremental', parent: 'b-2' });
  });

  it('a full on the way begins the next chain', () => {
    const next = aBackup({
      ...aChain(0)[0],
      backupId: 'b-7',
      chain: 'b-7',
      startedAt: '2026-11-22T09:00:00.000Z',
    });
    expect(planned([next, ...aChain(6)])).toMatchObject({
      level: 'incremental',
      chain: 'b-7',
      parent: 'b-7',
    });
  });

  it('is what an order or the request names; past the limits of the policy, never past what makes it right', () => {
    const asked = (level: 'full' | 'incremental', by: 'order' | 'request') => ({
      asked: { level, by, reason: 'why' },
    });
    expect(whyFull(aChain(2), asked('full', 'order'))).toBe('a full one: the order names the level (why)');
    expect(whyFull(aChain(2), asked('full', 'request'))).toBe(
      'a full one: the request names the level (why)',
    );
    expect(planned(aChain(6), asked('incremental', 'request')).level).toBe('incremental');
    expect(planned([], asked('incremental', 'order')).level).toBe('full');
    expect(plan([], asked('incremental', 'request'))).toMatchObject({
      outcome: 'refused',
      error: {
        name: 'Plan.Refused',
        cause:
          'level: an incremental backup of orders cannot be taken, since there is no full backup yet; leave level out, or name full',
      },
    });
    expect(plan(aChain(2), { ...asked('incremental', 'request'), policy: aPolicy() })).toMatchObject({
      error: { cause: expect.stringContaining('the policy nightly takes no incrementals') },
    });
  });

  it('an order that stands on the cluster goes before the policy; what the request names goes before both', () => {
    const at = '2026-11-22T03:00:00.000Z';
    const ordered = aCluster();
    ordered.ordered = { level: 'full', reason: 'suspect', at };
    const byOrder = { level: 'full', by: 'order', reason: 'suspect' };
    expect(askedLevel(ordered, {})).toEqual(byOrder);
    expect(askedLevel(ordered, { level: 'full', reason: 'suspect' })).toEqual(byOrder);
    const request = { level: 'incremental' as const, reason: 'before the change' };
    expect(askedLevel(ordered, request)).toEqual({ ...request, by: 'request' });
    expect(askedLevel(aCluster(), { reason: 'schedule' })).toBeUndefined();
  });

  it('reckons the restore by what the last proven one took', () => {
    const budget = { policy: aPolicy({ incrementals: { ...most, restoreMinutes: 5 } }) };
    expect(planned(aChain(2), budget).level).toBe('incremental');
    const slow = aChain(2, (n) => (n === 0 ? { state: 'proven', restoreSeconds: 400 } : {}));
    expect(whyFull(slow, budget)).toContain('would take 11 minutes, the policy allows 5');
  });
});
