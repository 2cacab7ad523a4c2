import { beforeEach, describe, expect, it } from 'vitest';
import { decodeLogReceipt } from '../../../../contract/formats/codec.ts';
import type { AgentOrders, ArchiveEnd, SetReport } from '../../../../contract/records/agent.ts';
import type { HostRecord } from '../../../../contract/records/host.ts';
import { type Policy, policySchema } from '../../../../contract/records/policy.ts';
import { makeCatalog } from '../../../../functions/catalog/catalog.ts';
import { reconcileLogs } from '../../../../functions/logs/reconcile-logs.ts';
import { segmentsOfDay } from '../../../../functions/logs/segments-of-day.ts';
import { unclaimedSegments } from '../../../../functions/logs/unclaimed-segments.ts';
import { windowOf } from '../../../../functions/logs/window.ts';
import { makeHandler as makeRebuild } from '../../../../functions/reconcile/rebuild.ts';
import { archiveHeads } from '../../../../functions/restore/point/archive-heads.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';
import { type Archiving, type MadeSegment, nextSegment, segmentsAfter } from '../../../doubles/segments.ts';

const { bucket } = sites.frankfurt;
const site = { site: 'frankfurt', bucket, region: 'eu-central-1' };
const policy: Policy = policySchema.parse({ ...example('policy'), logs: { archive: true } });
const { ordered: _, ...cluster } = example('cluster');
const [first, second] = cluster.document.members.map(({ memberId, hostId }) => ({ memberId, hostId })) as [
  { memberId: string; hostId: string },
  { memberId: string; hostId: string },
];
const { clusterId } = cluster.document;
const userid = (hostId: string) => `AROAEXAMPLE:${hostId}`;

let control: MemoryControl;
const pass = (of = policy) => reconcileLogs({ ...control, getPolicy: async () => of }, [cluster]);
const ordersOf = async (hostId: string): Promise<AgentOrders> =>
  JSON.parse((await control.agents.get(userid(hostId))).ordered);
const archive = async () => (await control.archives.get({ clusterId, set: 'main' }))!;
const receipts = () =>
  control.objects
    .keys(bucket)
    .filter((key) => key.startsWith(`receipts/${clusterId}/logs/`))
    .map((key) => decodeLogReceipt(control.objects.text(bucket, key)!));

type Said = Partial<SetReport> & {
  startedAt?: string;
  state?: string;
  reason?: string;
  newest?: ArchiveEnd | null;
  at?: string;
};

/** What the agent of a host puts into its row. */
async function says(of: { memberId: string; hostId: string }, said: Said = {}) {
  const record = await control.archives.get({ clusterId, set: 'main' });
  const {
    state,
    reason = '',
    newest = null,
    at = control.now().toISOString(),
    startedAt = at,
    ...more
  } = said;
  const set = {
    clusterId,
    set: 'main',
    memberId: of.memberId,
    reachable: true,
    role: of === first ? 'primary' : 'replica',
    serverVersion: '10.11.19-MariaDB',
    serverUuid: of === first ? 'u-1' : 'u-2',
    unfit: [],
    gtid: '0-1-9',
    archive:
      record === undefined || state === undefined
        ? null
        : {
            timeline: record.timeline,
            epoch: record.epoch,
            state,
            reason,
            newest,
            durableAt: state === 'archiving' ? at : null,
          },
    ...more,
  };
  const table = control.dynamo.tables.get('jobs')!;
  const name = `${userid(of.hostId)}\u0000agent`;
  const row = table.get(name) ?? { v: 1, pk: userid(of.hostId), sk: 'agent', hostId: of.hostId };
  table.set(name, { ...row, report: { at, startedAt, runnerVersion: 'test', disks: [], sets: [set] } });
}

const store = (...segments: MadeSegment[]) => {
  for (const { key, body } of segments) control.objects.put(bucket, key, body);
};
const archiving = async (of = first, more: Partial<Archiving> = {}): Promise<Archiving> => {
  const { timeline, epoch } = await archive();
  return { clusterId, set: 'main', timeline, epoch, ...of, ...more };
};

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T01:10:00.000Z');
  await control.clusters.restore(cluster);
  for (const { hostId } of [first, second]) {
    const host = example('host');
    const record: HostRecord = { ...host, userid: userid(hostId), document: { ...host.document, hostId } };
    await control.hosts.restore(record);
  }
});

/** Both hosts have reported, the first member archives. */
async function begun() {
  await pass();
  await says(first);
  await says(second);
  await pass();
}

describe('archives in a pass of Reconcile', () => {
  it('are not begun where the policy does not ask for them', async () => {
    expect(await pass(example('policy'))).toEqual({ sets: 0, lagging: 0, broken: 0, failed: 0 });
    expect((await control.agents.get(userid(first.hostId))).row).toBe(false);
  });

  it('M01 are one member of a set each: its primary first, the others are looked at', async () => {
    expect(await pass()).toMatchObject({ sets: 1, lagging: 0, failed: 0 });
    expect((await ordersOf(first.hostId)).sets).toMatchObject([{ archive: null }]);
    // The replica's agent was quicker; the primary's has told that it lives, and not yet looked at its server.
    await says(second);
    await pass();
    await says(first, { reachable: false, role: null, serverVersion: '', serverUuid: '', gtid: '' });
    await pass();
    expect(await control.archives.get({ clusterId, set: 'main' })).toBeUndefined();
    await says(first);
    expect(await pass()).toMatchObject({ sets: 1, lagging: 0 });
    const { timeline } = await archive();
    expect((await ordersOf(first.hostId)).sets).toMatchObject([
      { archive: { timeline, epoch: 1, after: null, intervalSeconds: 60, segmentBytes: 16_777_216 } },
    ]);
    expect((await ordersOf(second.hostId)).sets).toMatchObject([{ archive: null }]);
    expect(receipts()).toMatchObject([{ fact: 'opened', timeline, archiver: { ...first, epoch: 1 } }]);
  });

  it('that nobody begins ring after ten minutes; a replica begins where the primary’s agent does not come', async () => {
    await pass();
    control.moveTo('2026-11-23T01:21:00.000Z');
    expect(await pass()).toMatchObject({ sets: 1, lagging: 1 });
    await says(second);
    control.moveTo('2026-11-23T01:26:00.000Z');
    const { startedAt } = (await control.agents.get(userid(second.hostId))).report!;
    await says(second, { startedAt });
    await pass();
    expect(await archive()).toMatchObject(second);
  });

  it('record what a walk back from the newest segment reaches, and order to go on behind it', async () => {
    await begun();
    const made = await segmentsAfter(await archiving(), null, 5, '2026-11-23T01:10:00.000Z');
    store(...made);
    await says(first, { state: 'archiving', newest: made.at(-1)!.end });
    expect(await pass()).toMatchObject({ lagging: 0, failed: 0 });
    expect(await archive()).toMatchObject({ newest: made.at(-1)!.end, first: { start: { gtid: '' } } });
    const recorded = await control.archives.segments(await archive(), '2026-11-23');
    expect(recorded.map(({ key }) => key)).toEqual(made.map(({ key }) => key));
    const [range] = await control.archives.ranges(await archive());
    expect(range).toMatchObject({ segments: 5, transactions: 15, first: { key: made[0]!.key } });
    expect((await ordersOf(first.hostId)).sets[0]!.archive!.after).toEqual(made.at(-1)!.end);
    const more = await segmentsAfter(await archiving(), made.at(-1)!.end, 2, '2026-11-24T00:00:00.000Z');
    store(...more);
    await says(first, { state: 'archiving', newest: more.at(-1)!.end });
    await pass();
    expect((await control.archives.ranges(await archive())).map((of) => [of.day, of.segments])).toEqual([
      ['2026-11-23', 5],
      ['2026-11-24', 2],
    ]);
    expect(receipts().filter(({ fact }) => fact === 'range')).toMatchObject([{ range: { segments: 5 } }]);
  });

  it('record in several passes what one does not read, and nobody takes over, nor is a stranger seen, until they have', async () => {
    await begun();
    const by = await archiving();
    // 43200, a day at the shortest interval, takes half a minute.
    const many = Number(process.env.HOLDFAST_TEST_SEGMENTS ?? 1100);
    const most = Math.max(100, Math.ceil(many / 11));
    const made: ArchiveEnd[] = [];
    for (let i = 0; i < many; i++) {
      const at = new Date(Date.parse('2026-11-22T01:10:00.000Z') + i * 2000).toISOString();
      const segment = await nextSegment(by, made.at(-1) ?? null, at);
      store(segment);
      made.push(segment.end);
    }
    const passWith = () =>
      reconcileLogs({ ...control, mostAhead: most, getPolicy: async () => policy }, [cluster]);
    const strangers = () => Array.fromAsync(unclaimedSegments(control, clusterId, site, 0));
    await says(first, { state: 'archiving', newest: made.at(-1)! });
    let passes = 0;
    // The way back takes as many passes as recording it; the host is lost meanwhile, and the other one is fit.
    for (; passes === 0 || (await archive()).ahead; passes++) {
      expect(passes).toBeLessThan(30);
      expect(await passWith()).toMatchObject({ failed: 0 });
      if ((await archive()).ahead) expect(await archive()).toMatchObject({ memberId: first.memberId });
      if (passes === 0) {
        expect(await archive()).toMatchObject({ newest: null, durableAt: null });
        expect((await archive()).reason).toBe(`${many} segments are stored and not recorded yet`);
        expect(await strangers()).toEqual([]);
        control.moveTo('2026-11-23T01:50:00.000Z');
        await says(second);
      }
    }
    expect(passes).toBe(2 * Math.ceil(many / most) - 1);
    expect(await archive()).toMatchObject({ newest: made.at(-1), memberId: second.memberId });
    const ranges = await control.archives.ranges(await archive());
    expect(ranges.reduce((sum, { segments }) => sum + segments, 0)).toBe(many);
    expect(await strangers()).toEqual([]);
    expect((await ordersOf(second.hostId)).sets[0]!.archive!.after).toEqual(made.at(-1));
  });

  it('ask nothing of the backups while they go on', async () => {
    await begun();
    const made = await segmentsAfter(await archiving(), null, 2, '2026-11-23T01:10:00.000Z');
    store(...made);
    await says(first, { state: 'archiving', newest: made.at(-1)!.end });
    await pass();
    const backups = { list: () => Promise.reject(new Error('thousands of rows')) };
    const answer = reconcileLogs({ ...control, backups, getPolicy: async () => policy }, [cluster]);
    expect(await answer).toMatchObject({ sets: 1, failed: 0 });
  });

  it('take nothing of a chain that is broken, forged, or another member’s', async () => {
    await begun();
    const by = await archiving();
    const [one, two, three] = await segmentsAfter(by, null, 3, '2026-11-23T01:10:00.000Z');
    store(one!, three!);
    await says(first, { state: 'archiving', newest: three!.end });
    await pass();
    expect(await archive()).toMatchObject({
      newest: null,
      state: 'failing',
      reason: expect.stringContaining('it is not stored'),
    });
    control.objects.put(bucket, two!.key, Buffer.concat([two!.body, Buffer.from('x')]));
    await pass();
    expect(await archive()).toMatchObject({ newest: null, reason: expect.stringContaining('CRC32') });
    const foreign = await nextSegment({ ...by, ...second }, null, '2026-11-23T01:11:00.000Z');
    store(foreign);
    await says(first, { state: 'archiving', newest: foreign.end });
    await pass();
    expect(await archive()).toMatchObject({
      newest: null,
      reason: expect.stringContaining('was not the one'),
    });
    const gap = await nextSegment(by, one!.end, '2026-11-23T01:12:00.000Z', { from: 400 });
    store(gap);
    await says(first, { state: 'archiving', newest: gap.end });
    await pass();
    expect(await archive()).toMatchObject({ newest: null, reason: expect.stringContaining('ends at 300') });
    store(two!);
    await says(first, { state: 'archiving', newest: three!.end });
    await pass();
    expect(await archive()).toMatchObject({ newest: three!.end, state: 'archiving' });
  });

  it('lag where nothing became durable for too long, and go on with another member when the first is gone', async () => {
    await begun();
    const made = await segmentsAfter(await archiving(), null, 2, '2026-11-23T01:10:00.000Z');
    store(...made);
    await says(first, { state: 'archiving', newest: made.at(-1)!.end });
    await pass();
    control.moveTo('2026-11-23T01:16:00.000Z');
    await says(second);
    expect(await pass()).toMatchObject({ lagging: 1 });
    const moved = await archive();
    expect(moved).toMatchObject({ ...second, epoch: 2, newest: made.at(-1)!.end });
    expect((await ordersOf(first.hostId)).sets[0]!.archive).toBeNull();
    expect((await ordersOf(second.hostId)).sets[0]!.archive).toMatchObject({
      timeline: moved.timeline,
      epoch: 2,
      after: made.at(-1)!.end,
    });
    const next = await segmentsAfter(
      await archiving(second, { serverUuid: 'u-2' }),
      made.at(-1)!.end,
      2,
      '2026-11-23T01:16:00.000Z',
    );
    store(...next);
    await says(second, { state: 'archiving', newest: next.at(-1)!.end });
    expect(await pass()).toMatchObject({ lagging: 0 });
    expect(await archive()).toMatchObject({ newest: next.at(-1)!.end });
  });

  it('leave an archiver whose server restarts its time, and never move to one that cannot', async () => {
    await begun();
    await says(first, { state: 'archiving' });
    await pass();
    await says(first, { state: 'failing', reachable: false });
    await pass();
    expect(await archive()).toMatchObject(first);
    control.moveTo('2026-11-23T01:20:00.000Z');
    await says(first, { state: 'failing', reachable: false });
    await says(second, { unfit: ['log_slave_updates is OFF'] });
    expect(await pass()).toMatchObject({ lagging: 1 });
    expect(await archive()).toMatchObject(first);
  });

  it.each(['gap', 'dead-branch'] as const)(
    'begin anew after a %s, with a receipt, a full and an alarm',
    async (state) => {
      await begun();
      const position = { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid: '0-1-4' };
      const startedAt = '2026-11-23T01:05:00.000Z';
      const backup = { ...example('backup'), state: 'verified' as const, position, startedAt };
      await control.backups.apply({ ...example('receipt'), backup });
      const made = await segmentsAfter(await archiving(), null, 2, '2026-11-23T01:10:00.000Z');
      store(...made);
      await says(first, { state: 'archiving', newest: made.at(-1)!.end });
      await pass();
      const before = await archive();
      await says(first, { state, reason: 'the server lost it', newest: made.at(-1)!.end });
      expect(await pass()).toMatchObject({ broken: 1, failed: 0 });
      const after = await archive();
      expect(after.timeline).not.toBe(before.timeline);
      expect(after).toMatchObject({
        epoch: 2,
        newest: null,
        broke: { kind: state, timeline: before.timeline },
      });
      expect(receipts().map(({ fact, timeline }) => [fact, timeline])).toEqual(
        expect.arrayContaining([
          ['opened', before.timeline],
          [state, before.timeline],
          ['opened', after.timeline],
        ]),
      );
      expect((await control.clusters.get(clusterId))!.ordered).toMatchObject({ level: 'full' });
      const own = makeCatalog({ client: control.dynamo.client, table: 'catalog', jobs: 'jobs' }).archives;
      const site = { site: 'home', bucket, region: 'eu-central-1' };
      // What was archived before can still be recovered from, up to its end.
      expect(await archiveHeads(own, clusterId, site)).toMatchObject([
        { timeline: after.timeline },
        { timeline: before.timeline, notAfter: after.openedAt, ...(state === 'gap' ? {} : { dead: {} }) },
      ]);
      // The old agent's last word is of another epoch now.
      expect(await pass()).toMatchObject({ broken: 1 });
      expect((await archive()).timeline).toBe(after.timeline);
      // It may reach back to a backup of before, which after a dead branch proves nothing, whatever its GTIDs.
      const { anchor } = (await ordersOf(first.hostId)).sets[0]!.archive!;
      expect(anchor).toBe(state === 'gap' ? '0-1-4' : null);
      const anew = await segmentsAfter(await archiving(), null, 2, '2026-11-23T01:12:00.000Z');
      expect(
        windowOf(
          {
            ...(await archive()),
            newest: anew.at(-1)!.end,
            first: { start: anew[0]!.header.start, seen: startedAt },
          },
          [backup],
        ) === undefined,
      ).toBe(state === 'dead-branch');
    },
  );

  it('are joined to a backup by its position, and their window ends with the newest recorded segment', async () => {
    await begun();
    const made = await segmentsAfter(await archiving(), null, 3, '2026-11-23T01:10:00.000Z');
    store(...made);
    await says(first, { state: 'archiving', newest: made.at(-1)!.end });
    await pass();
    const backup = (gtid: string) => ({
      ...example('backup'),
      state: 'verified' as const,
      position: { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid },
    });
    const record = await archive();
    expect(windowOf(record, [backup('0-1-12')])).toBeUndefined();
    expect(windowOf(record, [backup('')])).toBeUndefined();
    expect(windowOf(record, [{ ...backup('0-1-4'), state: 'suspect' }])).toBeUndefined();
    expect(windowOf(record, [backup('0-1-4')])).toMatchObject({
      to: '2026-11-23T01:12:00.000Z',
      gtid: '0-1-9',
      backupId: example('backup').backupId,
    });
  });

  it('know their own segments from those that nobody ordered', async () => {
    await begun();
    const by = await archiving();
    const made = await segmentsAfter(by, null, 3, '2026-11-23T01:10:00.000Z');
    // Stored by an archiver that died before it could say so: it goes on behind what is recorded.
    const orphan = await nextSegment(by, made[1]!.end, '2026-11-23T01:12:30.000Z');
    const forged = await nextSegment(by, null, '2026-11-23T01:12:40.000Z');
    store(...made, orphan, forged);
    await says(first, { state: 'archiving', newest: made.at(-1)!.end });
    await pass();
    const elsewhere = await nextSegment({ ...by, timeline: 'theirs' }, null, '2026-11-23T01:12:50.000Z');
    store(elsewhere);
    const found: string[] = [];
    for await (const key of unclaimedSegments(control, clusterId, site, 0)) found.push(key);
    expect(found.sort()).toEqual([forged.key, elsewhere.key].sort());
  });

  it('F49 are rebuilt from receipts, found again by a walk, and give the same segments', async () => {
    await begun();
    const made = await segmentsAfter(await archiving(), null, 3, '2026-11-23T23:58:00.000Z');
    store(...made);
    await says(first, { state: 'archiving', newest: made.at(-1)!.end });
    await pass();
    const lost = { archive: await archive(), ranges: await control.archives.ranges(await archive()) };
    const segments = await control.archives.segments(lost.archive, '2026-11-23');
    control.dynamo.tables.get('catalog')!.clear();
    const answer = await makeRebuild(control)({ v: 1, site: 'frankfurt' });
    expect(answer).toMatchObject({ outcome: 'rebuilt', unreadable: [] });
    for (const { hostId } of [first, second]) {
      const host = example('host');
      await control.hosts.restore({
        ...host,
        userid: userid(hostId),
        document: { ...host.document, hostId },
      });
    }
    expect(await pass()).toMatchObject({ sets: 1, failed: 0 });
    const { state: _s, reason: _r, revision: _v, ...rebuilt } = await archive();
    const { state: _t, reason: _q, revision: _w, ...known } = lost.archive;
    expect(rebuilt).toEqual(known);
    expect(await control.archives.ranges(await archive())).toEqual(lost.ranges);
    const objects = control.objectsOf(site);
    expect(await segmentsOfDay({ archives: control.archives, objects }, lost.ranges[0]!)).toEqual(segments);
  });

  it('end with the policy or the cluster: its agents are told to stop', async () => {
    await begun();
    expect((await ordersOf(first.hostId)).sets).toHaveLength(1);
    await pass(example('policy'));
    for (const { hostId } of [first, second]) expect((await ordersOf(hostId)).sets).toEqual([]);
  });
});
