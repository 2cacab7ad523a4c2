import { describe, expect, it } from 'vitest';
import { xtrabackupSettingsSchema } from '../../../../contract/records/tool-settings.ts';
import { type Inspection, readInspection } from '../../../../functions/backup/member.ts';
import { type PlanInput, planBackup } from '../../../../functions/backup/plan-backup.ts';
import { aBackup, aCheckResult, aCluster, aMember, aPolicy } from '../../../doubles/records.ts';

const site = { site: 'frankfurt', bucket: 'example-holdfast-frankfurt', region: 'eu-central-1' };
const primary = {
  memberId: 'orders-a',
  result: aCheckResult('orders-a', { role: 'primary', lagSeconds: null }),
};
const replica = (memberId: string, change: Parameters<typeof aCheckResult>[1] = {}): Inspection => ({
  memberId,
  result: aCheckResult(memberId, { role: 'replica', lagSeconds: 0, ...change }),
});

const plan = (change: Partial<PlanInput> = {}) =>
  planBackup({
    cluster: aCluster().document,
    policy: aPolicy(),
    site,
    inspections: [primary, replica('orders-b')],
    history: [],
    slot: '20261123T0100Z',
    now: new Date('2026-11-23T01:05:00.000Z'),
    ids: { backupId: 'b-1', jobId: 'job-1' },
    physicalHostOf: (hostId) => (hostId === 'i-b' ? 'rack-7' : hostId),
    ...change,
  });

const planned = (change: Partial<PlanInput> = {}) => {
  const answer = plan(change);
  if (answer.outcome !== 'planned') throw new Error(answer.error.cause);
  return answer;
};
const refusal = (change: Partial<PlanInput>) => {
  const answer = plan(change);
  return answer.outcome === 'refused' ? answer.error : undefined;
};

describe('planning a backup', () => {
  it('takes the replica before the primary, with the applier stopped and a checkpoint first', () => {
    const { order, hostId, leases, waitUntil, deadlineSeconds, reasons } = planned();
    expect(hostId).toBe('i-b');
    expect(order).toMatchObject({ kind: 'backup', backupId: 'b-1', slot: '20261123T0100Z', site });
    expect(order.member.memberId).toBe('orders-b');
    expect(order.plan).toMatchObject({
      method: 'physical',
      level: 'full',
      role: 'replica',
      stopApplier: true,
      checkpointFirst: true,
      chain: 'b-1',
      parent: null,
      timeline: 'orders-1',
      volumeBytes: 32 * 1024 ** 2,
    });
    expect(leases).toEqual([
      { name: 'fleet', cap: 200 },
      { name: 'site:frankfurt', cap: 100 },
      { name: 'physical-host:rack-7', cap: 1 },
    ]);
    expect(waitUntil).toBe('2026-11-23T02:00:00.000Z');
    expect(deadlineSeconds).toBe(24 * 3600);
    expect(reasons).toContain('member orders-b is a replica 0 s behind, the best of 2 that may be backed up');
  });

  it('shows the call of the tool as its host told it, with what the plan decides behind it', () => {
    const toolCommand = ['mariadb-backup', '--defaults-file=<private>/client.cnf', '--backup'];
    const reasons = planned({ inspections: [replica('orders-b', { toolCommand })] }).reasons;
    const call = 'the tool is called as: mariadb-backup --defaults-file=<private>/client.cnf --backup';
    expect(reasons).toContain(`${call} --innodb-log-checkpoint-now`);
  });

  it('has XtraBackup write into as many streams as the policy asks for and the memory has room for', () => {
    const cluster = { ...aCluster().document, flavour: 'mysql' as const };
    const policy = (memoryMiB: number) =>
      aPolicy({ xtrabackup: xtrabackupSettingsSchema.parse({ fifoStreams: 8 }), toolThreads: 8, memoryMiB });
    const toolCommand = ['xtrabackup', '--backup'];
    const inspections = [replica('orders-b', { toolCommand })];
    const { order, reasons } = planned({ cluster, policy: policy(512), inspections });
    expect(order.plan.fifoStreams).toBe(8);
    expect(reasons).toContain(
      'the tool is called as: xtrabackup --backup --fifo-streams=8 --fifo-dir=<private>/fifo --fifo-timeout=60',
    );
    expect(reasons.join()).toContain('with 2 in flight and 8 streams: 509 of 512 MiB');
    // Runners of the release before refuse a policy with a word that they do not know.
    expect(order.policy.xtrabackup).toBeDefined();
    expect(order.policy.xtrabackup).not.toHaveProperty('fifoStreams');

    const little = planned({ cluster, policy: policy(300), inspections });
    expect(little.order.plan.fifoStreams).toBe(3);
    expect(little.reasons).toContain('the policy asks for 8 streams, memoryMiB has room for 3');
    expect(planned({ cluster, policy: policy(192) }).order.plan).not.toHaveProperty('fifoStreams');
    expect(planned({ policy: policy(512) }).order.plan).not.toHaveProperty('fifoStreams');
  });

  it('makes no checkpoint first where the tool has no word for it', () => {
    const cluster = { ...aCluster().document, flavour: 'mysql' as const };
    expect(planned({ cluster }).order.plan.checkpointFirst).toBe(false);
  });

  it('takes the primary when no replica may be backed up, without a checkpoint and with its applier left alone', () => {
    const { order } = planned({ inspections: [primary, replica('orders-b', { lagSeconds: 301 })] });
    expect(order.member.memberId).toBe('orders-a');
    expect(order.plan).toMatchObject({ role: 'primary', stopApplier: false, checkpointFirst: false });
  });

  it('dumps a small database where the policy leaves the method, from the member that can be dumped, without a checkpoint', () => {
    const toolCommand = ['mydumper', '--no-locks'];
    const logical = { toolVersion: '0.10.0', spoolFreeBytes: 1e12, refusals: [], toolCommand };
    const lossy = { ...logical, refusals: ['shop.t.f are FLOAT'] };
    const inspections = [
      {
        memberId: 'orders-a',
        result: aCheckResult('orders-a', { role: 'primary', lagSeconds: null, logical }),
      },
      replica('orders-b', { logical: lossy }),
    ];
    const { order, reasons } = planned({ policy: aPolicy({ method: 'auto' }), inspections });
    expect(order.member.memberId).toBe('orders-a');
    expect(order.plan).toMatchObject({ method: 'logical', level: 'full', checkpointFirst: false });
    expect(order.plan.spoolBytes).toBeGreaterThan(0);
    expect(order.policy.method).toBe('auto');
    expect(reasons[0]).toContain('leaves the method to the size');
    expect(reasons).toContain('the tool is called as: mydumper --no-locks');
    const copied = planned({ policy: aPolicy({ method: 'auto' }), inspections: [inspections[1]!] });
    // The runner of that host may be of the release before, which knows no other word.
    expect(copied.order).toMatchObject({ plan: { method: 'physical' }, policy: { method: 'physical' } });
    expect(copied.reasons.join()).toContain('orders-b: shop.t.f are FLOAT');
    const misfit = 'mariadb-backup is missing';
    const bare = { logical, toolVersion: null, ineligible: [misfit], onlyPhysical: [misfit] };
    const dumped = { policy: aPolicy({ method: 'logical' }), inspections: [replica('orders-b', bare)] };
    expect(planned(dumped).order.plan.method).toBe('logical');
    expect(refusal({ ...dumped, policy: aPolicy({ method: 'auto' }) })?.cause).toContain(misfit);
    expect(refusal({ policy: aPolicy({ method: 'logical' }), inspections: [inspections[1]!] })).toEqual({
      name: 'Plan.Refused',
      cause: expect.stringContaining('orders-b: shop.t.f are FLOAT'),
      facts: { field: 'method', value: 'logical' },
    });
  });

  it('F17: takes the replica with the least lag; equals keep the order of the document', () => {
    const members = ['a', 'b', 'c', 'd'].map((name) => aMember(`orders-${name}`, `i-${name}`));
    const cluster = { ...aCluster().document, members };
    const lags = (b: number, c: number, d: number) => [
      primary,
      replica('orders-d', { lagSeconds: d }),
      replica('orders-c', { lagSeconds: c }),
      replica('orders-b', { lagSeconds: b }),
    ];
    expect(planned({ cluster, inspections: lags(9, 3, 5) }).order.member.memberId).toBe('orders-c');
    expect(planned({ cluster, inspections: lags(3, 3, 3) }).order.member.memberId).toBe('orders-b');
  });

  it('follows the policy on checkpoint and applier', () => {
    const always = aPolicy({ checkpointFirst: 'always', stopApplier: false });
    expect(planned({ policy: always }).order.plan).toMatchObject({
      checkpointFirst: true,
      stopApplier: false,
    });
    const never = aPolicy({ checkpointFirst: 'never' });
    expect(planned({ policy: never }).order.plan.checkpointFirst).toBe(false);
  });

  it('keeps the timeline of the last recorded backup', () => {
    const history = [aBackup({ timeline: 'orders-4' }), aBackup({ timeline: 'orders-3' })];
    expect(planned({ history }).order.plan.timeline).toBe('orders-4');
  });

  it('waits for leases until the window ends; by hand as long from now; never for a window that is over', () => {
    expect(planned({ slot: null }).waitUntil).toBe('2026-11-23T02:05:00.000Z');
    const late = new Date('2026-11-23T09:00:00.000Z');
    expect(planned({ now: late }).waitUntil).toBe(late.toISOString());
  });

  it('expects data and undo, and of the redo what the tool will copy', () => {
    const sizes = { dataBytes: 100, undoBytes: 10, redoBytes: 1000, redoToCopyBytes: 1 };
    const expected = (checkpointFirst: 'always' | 'never') =>
      planned({
        policy: aPolicy({ checkpointFirst }),
        inspections: [replica('orders-b', sizes)],
      }).order.plan.expectedBytes;
    expect(expected('always')).toBe(110);
    expect(expected('never')).toBe(111);
  });

  it('M18: plans around tables outside the data directory, and says so', () => {
    const outside = replica('orders-b', { outsideDatadir: ['/data2/shop/t.ibd'] });
    expect(planned({ inspections: [outside] }).reasons.join()).toContain(
      '1 tables lie outside the data directory',
    );
  });

  it('refuses with the reasons of every member when none may be backed up', () => {
    const error = refusal({
      inspections: [
        { memberId: 'orders-a', error: { name: 'Job.Lost', cause: 'no beat for 300 s' } },
        replica('orders-b', { lagSeconds: 301, ineligible: ['it is a delayed replica'] }),
      ],
    });
    expect(error).toEqual({
      name: 'Cluster.NoMember',
      cause:
        'none of the 2 members of orders can be backed up. orders-a: its check failed (Job.Lost): no beat for 300 s; orders-b: it is a delayed replica, it lags 301 s behind, the policy takes 300 s at most',
    });
  });

  it.each([
    ['it was not looked at', []],
    ['its server cannot be reached', [replica('orders-b', { reachable: false })]],
    ['its replication does not run', [replica('orders-b', { lagSeconds: null })]],
    ['its host has no backup tool for server', [replica('orders-b', { toolVersion: null })]],
    [
      'its host answered without a word about the server',
      [
        {
          memberId: 'orders-b',
          result: { ...aCheckResult('x'), member: undefined },
        } as unknown as Inspection,
      ],
    ],
    [
      'speaks protocol 3; 1 to 1 are understood',
      [{ memberId: 'orders-b', result: { ...aCheckResult('orders-b'), protocol: 3 } }],
    ],
  ])('F19, F55: refuses a member because %s', (reason, inspections) => {
    const members = [aMember('orders-b', 'i-b')];
    expect(refusal({ cluster: { ...aCluster().document, members }, inspections })?.cause).toContain(reason);
  });

  it('refuses a flavour that this version cannot take, and a home site that the settings do not have', () => {
    const other = { ...aCluster().document, flavour: 'mongodb' as const };
    expect(refusal({ cluster: other })).toMatchObject({
      name: 'Cluster.NoMember',
      cause: expect.stringContaining(
        'mysql/mongodb cannot be backed up by this version, which takes mysql/mariadb, mysql/mysql, mysql/percona',
      ),
    });
    expect(refusal({ site: undefined })).toEqual({
      name: 'Plan.Refused',
      cause: 'homeSite: frankfurt of cluster orders is not a site of the settings',
    });
  });
});

describe('what hosts answer', () => {
  const replicaSeen = replica('orders-b');
  it('speaks against its own member only where it is no answer', () => {
    const answers = [
      { memberId: 'orders-a', result: 'too large' },
      {
        memberId: 'orders-a',
        result: { ...primary.result, member: { ...primary.result.member, dataBytes: -1 } },
      },
      {
        memberId: 'orders-a',
        result: { ...primary.result, member: { ...primary.result.member, dataBytes: 1e300 } },
      },
    ];
    for (const answer of answers) {
      const inspections = [answer, replicaSeen].flatMap(readInspection);
      expect(planned({ inspections }).order.member.memberId).toBe('orders-b');
      expect(refusal({ inspections: [answer].flatMap(readInspection) })?.cause).toContain(
        'orders-a: its check failed (Input.Invalid)',
      );
    }
  });
});
