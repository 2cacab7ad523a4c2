import { beforeEach, describe, expect, it } from 'vitest';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import type { ClusterRecord } from '../../../../contract/records/cluster.ts';
import {
  type CoverageAnswer,
  type CoveragePass,
  reconcileCoverage,
} from '../../../../functions/coverage/reconcile-coverage.ts';
import { clustersOfPass } from '../../../../functions/reconcile/clusters-of-pass.ts';
import { aChain } from '../../../doubles/chain.ts';
import { type MemoryControl, makeMemoryControl } from '../../../doubles/memory-control.ts';
import { aBackup, aCluster, aPolicy } from '../../../doubles/records.ts';

let control: MemoryControl;
let clusters: ClusterRecord[];
const error = { name: 'Host.Unreachable', cause: 'the agent of i-a is not connected' };

beforeEach(() => {
  control = makeMemoryControl('2026-11-23T12:00:00.000Z');
  clusters = [];
});

function fleet(size: number, document: Partial<ClusterRecord['document']> = {}): void {
  clusters = Array.from({ length: size }, (_, i) =>
    aCluster({ clusterId: `c${String(i).padStart(4, '0')}`, ...document }),
  );
}

/** Writes a receipt's worth of a backup, as Record does. */
async function backedUp(clusterId: string, slot: string, change: Partial<BackupRecord> = {}) {
  const startedAt = `${slot.slice(0, 4)}-${slot.slice(4, 6)}-${slot.slice(6, 8)}T01:20:00.000Z`;
  const backup = aBackup({
    clusterId,
    backupId: `${slot}-${clusterId}`,
    slot,
    startedAt,
    committedAt: startedAt,
    ...change,
  });
  const { backupId } = backup;
  const fact = backup.state === 'suspect' ? 'suspect' : 'verified';
  const at = backup.committedAt ?? startedAt;
  await control.backups.apply({ v: 1, fact, clusterId, backupId, at, by: 'arn:e', reasons: [], backup });
}

const pass = (more: Partial<CoveragePass> = {}, deps: object = {}): Promise<CoverageAnswer> =>
  reconcileCoverage(
    { ...control, getPolicy: async (name) => (name === 'nightly' ? aPolicy() : undefined), ...deps },
    {
      clusters,
      share: clustersOfPass(clusters, control.now()),
      unclaimed: { unclaimed: [], failed: 0 },
      ...more,
    },
  );
const subjects = () => control.published.map(({ subject }) => subject);

describe('a cluster whose slot is missed', () => {
  beforeEach(async () => {
    fleet(2);
    for (const { document } of clusters) await backedUp(document.clusterId, '20261123T0100Z');
    expect(await pass()).toMatchObject({ counts: { clustersCovered: 2, clustersOverdue: 0 }, began: 0 });
    control.moveTo('2026-11-24T02:00:30.000Z');
    await backedUp('c0001', '20261124T0100Z');
  });

  it('is told once when that begins, and once when it is over', async () => {
    const overdue = { clustersWatched: 2, clustersCovered: 1, clustersOverdue: 1 };
    expect(await pass()).toMatchObject({ counts: overdue, began: 1, cleared: 0, failed: 0 });
    expect(await pass()).toMatchObject({ counts: overdue, began: 0 });
    expect(control.published).toHaveLength(1);
    const [message] = control.published;
    expect(message?.subject).toBe('holdfast: c0000 is overdue, last good backup 2026-11-23 01:20Z');
    expect(message?.attributes).toEqual({ breach: 'overdue', phase: 'began', cluster: 'c0000' });
    expect(message?.body).toContain(
      'last good       2026-11-23 01:20Z, 24.7 h ago, backup 20261123T0100Z-c0000',
    );
    expect(message?.body).toContain('why             no attempt for slot 20261124T0100Z was ever started');
    expect(message?.body).toContain('what to do      docs/runbook.md#clusters-overdue');
    expect(message?.body).toContain('https://eu-central-1.console.aws.amazon.com/states/home');

    control.moveTo('2026-11-24T05:00:30.000Z');
    await backedUp('c0000', '20261124T0100Z', { slot: null, startedAt: '2026-11-24T04:00:00.000Z' });
    expect(await pass()).toMatchObject({ counts: { clustersCovered: 2 }, began: 0, cleared: 1 });
    expect(await pass()).toMatchObject({ began: 0, cleared: 0 });
    expect(subjects().slice(1)).toEqual(['holdfast: c0000 cleared: overdue for 3.0 h']);
    expect(control.published[1]?.body).toContain('is verified');
    expect(await control.breaches.list()).toEqual([]);
  });

  it('is told once by two passes at the same time', async () => {
    await Promise.all([pass(), pass(), pass()]);
    expect(control.published).toHaveLength(1);
  });

  it('is told again where the topic did not take it, and where its answer was lost: never less than once', async () => {
    let lost = 0;
    const refusing = async () => {
      throw new Error('throttled');
    };
    const answerLost: MemoryControl['publish'] = async (message) => {
      await control.publish(message);
      lost++;
      throw new Error('the connection was reset');
    };
    expect(await pass({}, { publish: refusing })).toMatchObject({ began: 0, failed: 1 });
    expect(await pass()).toMatchObject({ began: 0 });
    control.moveTo('2026-11-24T02:04:30.000Z');
    expect(await pass({}, { publish: answerLost })).toMatchObject({ began: 0, failed: 1 });
    control.moveTo('2026-11-24T02:08:30.000Z');
    expect(await pass()).toMatchObject({ began: 1, failed: 0 });
    control.moveTo('2026-11-24T02:12:30.000Z');
    await pass();
    expect(subjects()).toEqual([subjects()[0], subjects()[0]]);
    expect(lost).toBe(1);
    expect(control.published[1]?.body).toContain('since           2026-11-24T02:00:30.000Z');
  });

  it('is told to have begun before it is told to be over', async () => {
    const refusing = async () => {
      throw new Error('throttled');
    };
    await pass({}, { publish: refusing });
    await backedUp('c0000', '20261124T0100Z');
    for (const minute of ['04', '05', '09']) {
      control.moveTo(`2026-11-24T02:${minute}:30.000Z`);
      await pass();
    }
    expect(control.published.map(({ attributes }) => attributes.phase)).toEqual(['began', 'cleared']);
  });

  it('is over when somebody pauses it, and begins anew with the first slot after the pause', async () => {
    await pass();
    const paused = { until: '2026-11-26T12:00:00.000Z', reason: 'move' };
    clusters[0]!.document.paused = paused;
    clusters[0]!.registeredAt = '2026-11-24T02:30:00.000Z';
    control.moveTo('2026-11-24T02:31:00.000Z');
    expect(await pass()).toMatchObject({ counts: { clustersPaused: 1, clustersWatched: 1 }, cleared: 1 });
    expect(control.published[1]?.body).toContain('it is paused until 2026-11-26T12:00:00.000Z');
    await backedUp('c0001', '20261125T0100Z');
    await backedUp('c0001', '20261126T0100Z');
    await backedUp('c0001', '20261127T0100Z');
    control.moveTo('2026-11-26T13:00:00.000Z');
    expect(await pass()).toMatchObject({ counts: { clustersWaiting: 1, clustersOverdue: 0 }, began: 0 });
    control.moveTo('2026-11-27T02:00:30.000Z');
    expect(await pass()).toMatchObject({ counts: { clustersOverdue: 1 }, began: 1 });
  });

  it('is overdue when its policy is taken away, and no more when it is back, if nothing was missed', async () => {
    await pass();
    const gone = { getPolicy: async () => undefined };
    expect(await pass({}, gone)).toMatchObject({ began: 1, counts: { clustersOverdue: 2 } });
    expect(control.published[1]).toMatchObject({ attributes: { cluster: 'c0001' } });
    expect(control.published[1]?.body).toContain('why             its policy nightly is not deployed');
    control.moveTo('2026-11-24T02:20:00.000Z');
    expect(await pass()).toMatchObject({ cleared: 1, counts: { clustersOverdue: 1, clustersCovered: 1 } });
  });

  it('is over when it is registered no more', async () => {
    await pass();
    clusters = clusters.slice(1);
    expect(await pass()).toMatchObject({ cleared: 1, counts: { clustersWatched: 1 } });
    expect(control.published[1]?.body).toContain('it is registered no more');
  });
});

describe('what else is told of a cluster', () => {
  beforeEach(async () => {
    fleet(1);
    await backedUp('c0000', '20261123T0100Z');
    control.moveTo('2026-11-24T01:40:00.000Z');
  });

  it('the failure of a slot, with the error and the execution of its last attempt', async () => {
    await control.slots.open('c0000', '20261124T0100Z', '2026-11-24T01:05:00.000Z');
    await control.slots.fail('c0000', '20261124T0100Z', 1, error, '2026-11-24T01:10:00.000Z');
    await control.slots.openNext('c0000', '20261124T0100Z', 1, '2026-11-24T01:20:00.000Z');
    await control.slots.fail('c0000', '20261124T0100Z', 2, error, '2026-11-24T01:25:00.000Z');
    await control.slots.openNext('c0000', '20261124T0100Z', 2, '2026-11-24T01:30:00.000Z');
    expect(await pass()).toMatchObject({ began: 0 });
    await control.slots.fail('c0000', '20261124T0100Z', 3, error, '2026-11-24T01:35:00.000Z');
    expect(await pass()).toMatchObject({ began: 1, counts: { clustersFailed: 1, clustersCovered: 1 } });
    control.moveTo('2026-11-24T03:00:00.000Z');
    expect(await pass()).toMatchObject({ began: 0, counts: { clustersFailed: 1, clustersOverdue: 1 } });
    expect(control.published[0]?.body).toContain(
      'attempt 3 of 3 for slot 20261124T0100Z: Host.Unreachable: the agent of i-a is not connected',
    );
    expect(control.published[0]?.body).toContain(
      '#/v2/executions/details/arn:aws:states:eu-central-1:111122223333:execution:holdfast-backup:c0000-20261124T0100Z-3',
    );
  });

  it('a suspect backup, with its reasons, until one that counts follows', async () => {
    const reasons = ['bytes: 12 is 99 % below the median'];
    await backedUp('c0000', '20261124T0100Z', { state: 'suspect', reasons });
    expect(await pass()).toMatchObject({ began: 1, counts: { clustersSuspect: 1 } });
    expect(control.published[0]?.body).toContain('99 % below the median');
    await backedUp('c0000', '20261124T0100Z', {
      backupId: 'next',
      slot: null,
      startedAt: '2026-11-24T01:38:00.000Z',
    });
    expect(await pass()).toMatchObject({ cleared: 1, counts: { clustersSuspect: 0 } });
  });

  it('nothing while the due slot is still tried, however many slots have begun since', async () => {
    const schedule = { cron: '*/10 * * * *', zone: 'UTC', windowMinutes: 60 };
    const getPolicy = async () => aPolicy({ schedule, deadlineHours: 3 });
    for (const minute of ['0050', '0100', '0110', '0120', '0130', '0140', '0150']) {
      const at = `2026-11-24T${minute.slice(0, 2)}:${minute.slice(2)}:05.000Z`;
      await control.slots.open('c0000', `20261124T${minute}Z`, at);
    }
    control.moveTo('2026-11-24T01:55:00.000Z');
    expect(await pass({}, { getPolicy })).toMatchObject({ began: 0, counts: { clustersWaiting: 1 } });
    control.moveTo('2026-11-24T04:55:00.000Z');
    expect(await pass({}, { getPolicy })).toMatchObject({ began: 1, counts: { clustersOverdue: 1 } });
  });

  it('objects that nobody ordered, until a look without failures finds none', async () => {
    const unclaimed = ['s3://b/c0000/backups/x/manifest.json', 's3://b/c0000/backups/y/manifest.json'];
    expect(await pass({ unclaimed: { unclaimed, failed: 0 } })).toMatchObject({
      began: 1,
      counts: { objectsUnclaimed: 2 },
    });
    expect(control.published[0]?.body).toContain('2 that nobody ordered, first of them s3://b/c0000');
    for (const seen of [undefined, { unclaimed: [], failed: 1 }]) {
      expect(await pass({ unclaimed: seen })).toMatchObject({ cleared: 0, counts: { objectsUnclaimed: 2 } });
    }
    expect(await pass()).toMatchObject({ cleared: 1, counts: { objectsUnclaimed: 0 } });
  });

  it('objects whose names are cut in the middle of a character', async () => {
    const unclaimed = [`s3://b/c0000/backups/${'x'.repeat(178)}\u{1f4be}`];
    expect(await pass({ unclaimed: { unclaimed, failed: 0 } })).toMatchObject({ began: 1, failed: 0 });
    const [coverage] = await control.coverages.list();
    expect(coverage?.unclaimed.first[0]).toHaveLength(200);
    expect(coverage?.unclaimed.first[0]?.isWellFormed()).toBe(true);
  });

  it('one cluster that cannot be looked at is counted, and keeps nobody from being told of the others', async () => {
    fleet(3);
    const slots = {
      list: async (clusterId: string) => {
        if (clusterId === 'c0001') throw new Error('a record of a newer version');
        return [];
      },
    };
    control.moveTo('2026-11-24T02:01:00.000Z');
    expect(await pass({}, { slots })).toMatchObject({ began: 2, failed: 1, counts: undefined });
  });
});

describe('what is known of a cluster', () => {
  it('is found out anew where it cannot be read', async () => {
    fleet(2);
    for (const { document } of clusters) await backedUp(document.clusterId, '20261123T0100Z');
    await pass();
    const rows = control.dynamo.tables.get('catalog');
    const [key, row] = [...(rows ?? [])].find(([name]) => name.startsWith('COVERAGE')) ?? [];
    rows?.set(key ?? '', { ...row, v: 2 });
    expect(await control.coverages.list()).toHaveLength(1);
    expect(await pass()).toMatchObject({ counts: { clustersCovered: 2 }, failed: 0 });
    expect(await control.coverages.list()).toHaveLength(2);
  });

  it('is written only when it has changed', async () => {
    fleet(1);
    await backedUp('c0000', '20261123T0100Z');
    await pass();
    const put = async () => {
      throw new Error('nothing has changed');
    };
    const coverages = { ...control.coverages, put };
    expect(await pass({}, { coverages })).toMatchObject({ failed: 0 });
    await backedUp('c0000', '20261124T0100Z');
    expect(await pass({}, { coverages })).toMatchObject({ failed: 1 });
  });
});

describe('a storm', () => {
  it('of more than five is one message, which names the first and says how many; each is noted', async () => {
    fleet(100);
    control.moveTo('2026-11-24T02:00:30.000Z');
    expect(await pass()).toMatchObject({ began: 100, counts: { clustersOverdue: 100 } });
    expect(control.published).toHaveLength(1);
    const [{ subject, body, attributes } = { subject: '', body: '', attributes: {} }] = control.published;
    expect(subject).toBe('holdfast: 100 clusters are overdue: c0000 and 99 more');
    expect(attributes).toEqual({ breach: 'overdue', phase: 'began', clusters: '100' });
    expect(body).toContain('and 50 more');
    expect(await control.breaches.list()).toHaveLength(100);
    for (const { document } of clusters) await backedUp(document.clusterId, '20261124T0100Z');
    expect(await pass()).toMatchObject({ cleared: 100 });
    expect(subjects()[1]).toBe('holdfast: 100 clusters cleared: overdue: c0000 and 99 more');
    expect(await control.breaches.list()).toEqual([]);
  });
});

describe('a fleet of 5,000', () => {
  // The tables in memory look through all rows for each query, which DynamoDB does not.
  const stored = new Map<string, BackupRecord[]>();
  let looks = 0;
  const quick = {
    slots: { list: async () => [] },
    backups: {
      list: async (clusterId: string) => {
        looks++;
        return stored.get(clusterId) ?? [];
      },
    },
  };
  const night = (slot: string, startedAt: string, of: readonly ClusterRecord[]) => {
    for (const { clusterId } of of.map(({ document }) => document)) {
      const backup = aBackup({ clusterId, backupId: `${slot}-${clusterId}`, slot, startedAt });
      stored.set(clusterId, [backup, ...(stored.get(clusterId) ?? [])]);
    }
  };
  const nextPass = () => control.moveTo(new Date(control.now().getTime() + 120_000).toISOString());

  it('is counted whole in every pass, of which each looks at a share; one missed slot is told once, at once', async () => {
    fleet(5_000);
    night('20261123T0100Z', '2026-11-23T01:20:00.000Z', clusters);
    const first: CoverageAnswer[] = [];
    for (let n = 0; n < 7; n++, nextPass()) first.push(await pass({}, quick));
    expect(first[0]?.counts).toBeUndefined();
    const quiet = { clustersWatched: 5_000, clustersCovered: 5_000, clustersOverdue: 0 };
    expect(first[6]).toMatchObject({ counts: quiet, began: 0, failed: 0 });
    looks = 0;
    expect(await pass({}, quick)).toMatchObject({ counts: quiet });
    expect(looks).toBeLessThanOrEqual(715);

    // All but one are backed up the next night, most of them after they were looked at.
    control.moveTo('2026-11-24T01:59:00.000Z');
    night('20261124T0100Z', '2026-11-24T01:20:00.000Z', clusters.slice(1));
    control.moveTo('2026-11-24T02:01:00.000Z');
    const began = process.cpuUsage();
    const counted: (number | undefined)[] = [];
    for (let n = 0; n < 7; n++, nextPass()) counted.push((await pass({}, quick)).counts?.clustersOverdue);
    const { user, system } = process.cpuUsage(began);
    // A pass has 110 s, with 512 MB of memory about 0.3 of a processor: 30 s of processor for all of its duties.
    expect((user + system) / 1e6 / 7).toBeLessThan(6);
    // What is known of the others says that they are overdue: they are not counted so before somebody has looked.
    expect(counted.filter((n) => n === 1).length).toBeGreaterThan(0);
    expect(counted.filter((n) => n !== 0 && n !== 1)).toEqual([]);
    expect(subjects()).toEqual(['holdfast: c0000 is overdue, last good backup 2026-11-23 01:20Z']);
    expect(await pass({}, quick)).toMatchObject({ counts: { clustersCovered: 4_999, clustersOverdue: 1 } });
  });
});

describe('an incremental', () => {
  const chain = (full: BackupRecord['state']) =>
    aChain(1, (n) => ({
      clusterId: 'c0000',
      slot: `2026112${2 + n}T0100Z`,
      startedAt: `2026-11-2${2 + n}T01:20:00.000Z`,
      committedAt: `2026-11-2${2 + n}T01:30:00.000Z`,
      ...(n === 0 ? { state: full } : {}),
    }));
  const record = async (backups: BackupRecord[]) => {
    for (const backup of backups) {
      const { clusterId, backupId, committedAt: at = '' } = backup;
      const fact = backup.state === 'quarantined' ? 'quarantined' : 'verified';
      await control.backups.apply({ v: 1, fact, clusterId, backupId, at, by: 'arn:e', reasons: [], backup });
    }
  };

  it('covers its cluster with the whole of its chain', async () => {
    fleet(1);
    await record(chain('verified'));
    expect(await pass()).toMatchObject({ counts: { clustersCovered: 1, clustersOverdue: 0 } });
  });

  it('covers nobody where the full that it builds on is quarantined', async () => {
    fleet(1);
    await record(chain('quarantined'));
    expect(await pass()).toMatchObject({ counts: { clustersCovered: 0, clustersOverdue: 1 } });
  });
});
