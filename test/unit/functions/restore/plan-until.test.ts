import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { encodeManifest } from '../../../../contract/formats/codec.ts';
import { manifestKey } from '../../../../contract/layout.ts';
import { archiveEndOf } from '../../../../contract/records/agent.ts';
import type { BackupRecord } from '../../../../contract/records/backup.ts';
import type { ArchiveRecord } from '../../../../functions/catalog/archive.ts';
import { recordSegments } from '../../../../functions/logs/record.ts';
import { recordedTimelines } from '../../../../functions/logs/recorded-timelines.ts';
import { sayWindows } from '../../../../functions/logs/say-window.ts';
import { makeHandler as makeShow, type ShownWindow } from '../../../../functions/logs/show-window.ts';
import { isAnchored } from '../../../../functions/logs/window.ts';
import { windowsOf } from '../../../../functions/logs/windows.ts';
import { makeHandler as makeFit } from '../../../../functions/restore/fit-restore.ts';
import { makeHandler as makeHold } from '../../../../functions/restore/hold-restore.ts';
import { makeHandler as makePlan, type PlannedRestore } from '../../../../functions/restore/plan-restore.ts';
import { planUntil } from '../../../../functions/restore/plan-until.ts';
import { example } from '../../../doubles/examples.ts';
import { type MemoryControl, makeMemoryControl, sites } from '../../../doubles/memory-control.ts';
import { type Said, syntheticLog } from '../../../doubles/synthetic-log.ts';

const execution = 'arn:aws:states:eu-central-1:111122223333:execution:holdfast-restore:by-hand';
const spare = 'i-0c2e4f6a8b0d13579';
const target = { hostId: spare, directory: '/data2/restore', port: 3316, user: 'mysql' };
const site = example('backup').site;

let control: MemoryControl;

async function backup(
  backupId: string,
  gtid: string,
  startedAt: string,
  changes: Partial<BackupRecord> = {},
  place: { file?: string; offset?: number } = {},
) {
  const position = { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid, ...place };
  const manifest = { ...example('manifest'), backupId, position };
  const text = encodeManifest(manifest);
  const record: BackupRecord = {
    ...example('backup'),
    backupId,
    position,
    startedAt,
    committedAt: startedAt,
    chain: backupId,
    manifestSha256: createHash('sha256').update(text).digest('hex'),
    ...changes,
  };
  control.objects.put(site.bucket, manifestKey(record), text);
  await control.backups.apply({ ...example('receipt'), backupId, backup: record });
}

/** Archives a log and records it, as reconcile does; the newest timeline is the cluster's. */
async function archive(
  timeline: string,
  begins: string,
  said: readonly Said[],
  durableAt: string | null = null,
  broke: ArchiveRecord['broke'] = null,
  flavour: 'mariadb' | 'mysql' = 'mariadb',
  anonymous = flavour === 'mysql',
) {
  const stored = syntheticLog(
    { clusterId: 'orders', timeline, flavour, begins, ...(anonymous ? { anonymous } : {}) },
    said,
  );
  for (const { key, body } of stored) control.objects.put(site.bucket, key, body);
  const found = stored.map(({ key, crc, body, header }) => ({
    header,
    end: archiveEndOf(header, key, crc),
    bytes: body.length,
  }));
  const before = await control.archives.get({ clusterId: 'orders', set: 'main' });
  const record: ArchiveRecord = {
    v: 1,
    clusterId: 'orders',
    set: 'main',
    timeline,
    openedAt: said[0]!.seen,
    epoch: 1,
    memberId: 'db1',
    hostId: 'i-0a',
    since: said[0]!.seen,
    newest: found.at(-1)!.end,
    first: { start: stored[0]!.header.start, seen: said[0]!.seen },
    state: 'archiving',
    reason: '',
    durableAt,
    broke,
    revision: 0,
  };
  await recordSegments({ archives: control.archives, objects: control.objectsOf(site) }, record, found);
  await control.archives.put(record, before);
  return stored;
}

const at = (minute: number) => `2026-11-23T08:${String(minute).padStart(2, '0')}:00.000Z`;
const gtids = (first: number, last: number, server = 1) =>
  Array.from({ length: last - first + 1 }, (_, i) => `0-${server}-${first + i}`);

const plan = (until: unknown, backupId = 'latest') =>
  makePlan({ ...control, sites, mintJobId: () => 'job-check-1' })({
    execution,
    input: { v: 1, clusterId: 'orders', backupId, target, until },
  });
const planned = async (until: unknown, backupId?: string): Promise<PlannedRestore> => {
  const answer = await plan(until, backupId);
  if (answer.outcome !== 'planned') throw new Error(answer.error.cause);
  return answer;
};

beforeEach(async () => {
  control = makeMemoryControl('2026-11-23T09:05:00.000Z');
  await control.clusters.restore(example('cluster'));
  const host = example('host');
  await control.hosts.restore({
    ...host,
    document: { ...host.document, hostId: spare, purposes: ['spare'] },
  });
  await backup('b-old', '0-1-110', '2026-11-23T08:01:00.000Z');
  await backup('b-new', '0-1-150', '2026-11-23T08:05:00.000Z');
});

describe('Plan the restore to a point', () => {
  let stored: Awaited<ReturnType<typeof archive>>;
  beforeEach(async () => {
    stored = await archive(
      't-1',
      '0-1-100',
      [
        { gtids: gtids(101, 120), seen: at(2) },
        { gtids: gtids(121, 140), seen: at(3), newFile: true },
        { gtids: gtids(141, 160), seen: at(6) },
        { gtids: gtids(161, 180), seen: at(8), newFile: true },
        { gtids: gtids(181, 200), seen: at(10) },
      ],
      at(12),
    );
  });

  it('says segments, exact position and predicted time, from the newest backup before the point', async () => {
    const answer = await planned({ gtid: '0-1-170' });
    expect(answer).toMatchObject({
      backupId: 'b-new',
      log: {
        set: 'main',
        from: { gtid: '0-1-150' },
        until: { gtid: '0-1-170', file: 'binlog.000003', offset: 1050 },
        // The file in which the backup lies, from its beginning on.
        first: stored[1]!.key,
        ends: [3, 2, 1].map((n) => ({ key: stored[n]!.key, crc: stored[n]!.crc })),
        segments: 3,
      },
    });
    const without = await planned(undefined);
    expect(without.log).toBeUndefined();
    expect(answer.predictedSeconds).toBeGreaterThan(without.predictedSeconds!);
    expect(answer.need.bytes).toBeGreaterThan(without.need.bytes);
  });

  it('takes an older backup where the newest holds what lies behind the point', async () => {
    expect(await planned({ beforeGtid: '0-1-145' })).toMatchObject({
      backupId: 'b-old',
      log: { from: { gtid: '0-1-110' }, until: { gtid: '0-1-144' }, first: stored[0]!.key },
    });
    await expect(planned({ gtid: '0-1-145' }, 'b-new')).rejects.toThrow(
      'it holds what lies behind the point',
    );
  });

  it('goes as far back as the backup that is named, and past those that do not count', async () => {
    expect(await planned('latest', 'b-old')).toMatchObject({
      backupId: 'b-old',
      log: { from: { gtid: '0-1-110' }, first: stored[0]!.key, segments: 5 },
    });
    await backup('b-suspect', '0-1-190', at(9), { state: 'suspect', reasons: ['rows'] });
    await backup('b-orphan', '0-1-195', at(10), { level: 'incremental', parent: 'b-gone', chain: 'b-gone' });
    expect(await planned('latest')).toMatchObject({ backupId: 'b-new', log: { segments: 4 } });
  });

  it.each([
    ['latest', '0-1-200'],
    [{ time: '2026-11-23T08:07:00Z' }, '0-1-160'],
    [{ time: '2026-11-23T08:12:00Z' }, '0-1-200'],
  ])('leads %j to an exact position', async (until, gtid) => {
    expect(await planned(until)).toMatchObject({ log: { until: { gtid } }, point: { perhapsLater: 0 } });
  });

  it.each([
    [{ time: '2026-11-23T08:13:00Z' }, 'the archive reaches to 2026-11-23T08:12:00.000Z'],
    [{ gtid: '0-1-201' }, 'it is not in the archived log; the archive reaches to'],
    [{ gtid: '0-1-100' }, 't-1 begins at 0-1-100'],
    [{ gtid: '3e11fa47-71ca-11e1-9e33-c80aa9429562:5' }, 'a GTID of mariadb is domain-server-sequence'],
    [{ gtid: '0-1-105' }, 'b-old (2026-11-23T08:01:00.000Z): it holds what lies behind the point'],
    [{ gtid: '0-1-150', timeline: 't-9' }, 'orders has the timelines t-1'],
  ])('refuses %j with the nearest that can be had', async (until, said) => {
    const answer = await plan(until);
    expect(answer).toMatchObject({
      outcome: 'refused',
      error: { name: 'Restore.PointOutside', cause: expect.stringContaining(said) },
    });
  });

  it.each([
    [{ time: 'yesterday' }, 'until'],
    [{ gtid: '0-1-1,1-1-1' }, 'until'],
    [{ time: '2026-11-23T08:13:00Z', gtid: '0-1-5' }, 'until'],
  ])('refuses the words %j', async (until, said) => {
    expect(await plan(until)).toMatchObject({
      error: { name: 'Input.Invalid', cause: expect.stringContaining(said) },
    });
  });

  it('M16 asks which history is meant where a dead branch has borne the same GTIDs', async () => {
    const reason = 'the old primary came back without them';
    await archive('t-2', '0-1-160', [{ gtids: gtids(161, 175), seen: at(30) }], null, {
      kind: 'dead-branch',
      at: at(29),
      reason,
      timeline: 't-1',
    });
    expect(await plan({ gtid: '0-1-170' })).toMatchObject({
      error: { name: 'Restore.PointAmbiguous', cause: expect.stringContaining('t-2 and t-1') },
    });
    expect(await planned({ gtid: '0-1-170', timeline: 't-1' })).toMatchObject({ log: { timeline: 't-1' } });
    for (const until of [{ gtid: '0-1-190' }, { time: '2026-11-23T08:09:00Z' }]) {
      expect(await plan(until)).toMatchObject({
        error: {
          name: 'Restore.PointOutside',
          cause: expect.stringContaining('t-1, which is a dead branch'),
        },
      });
      expect(await planned({ ...until, timeline: 't-1' })).toMatchObject({ log: { timeline: 't-1' } });
    }
    // What both histories share may be had without ceremony.
    expect(await planned({ gtid: '0-1-155' })).toMatchObject({ log: { timeline: 't-1' } });
    // What the dead branch holds is no beginning of the new history, though its position seems to fit.
    await backup('b-astray', '0-1-165', at(9));
    expect(await plan('latest')).toMatchObject({
      error: {
        name: 'Restore.PointOutside',
        cause: expect.stringContaining('it is of another history than t-2'),
      },
    });
    await backup('b-next', '0-1-160', at(40));
    expect(await planned('latest')).toMatchObject({
      backupId: 'b-next',
      log: { timeline: 't-2', until: { gtid: '0-1-175' } },
    });
  });

  it('goes on in a new timeline from a backup of before, where only a gap lies between', async () => {
    await archive('t-2', '0-1-140', [{ gtids: gtids(141, 220), seen: at(30) }], null, {
      kind: 'gap',
      at: at(29),
      reason: 'the server purged its log',
      timeline: 't-1',
    });
    expect(await planned('latest')).toMatchObject({
      backupId: 'b-new',
      log: { timeline: 't-2', from: { gtid: '0-1-150' }, until: { gtid: '0-1-220' } },
    });
  });

  it('asks for a runner that replays logs', async () => {
    const plan = await planned('latest');
    const check = example('result-check');
    const decide = (abilities: string[]) =>
      makeFit({ mintJobId: () => 'job-2' })({ planned: plan, check: { ...check, abilities } });
    expect(await decide(['incremental'])).toMatchObject({
      error: { name: 'Runner.VersionUnsupported', cause: expect.stringContaining('replays no logs') },
    });
    expect(await decide(['replay'])).toMatchObject({ outcome: 'fits', order: { log: plan.log } });
    // The release before replayed logs of MariaDB only, and would say so an hour later.
    const tools = { mysqld: '10.11.6', xtrabackup: '10.11.6' };
    const mysql = (abilities: string[]) =>
      makeFit({ mintJobId: () => 'job-2' })({
        planned: { ...plan, flavour: 'mysql' },
        check: { ...check, tools, abilities },
      });
    expect(await mysql(['replay'])).toMatchObject({
      error: {
        name: 'Runner.VersionUnsupported',
        cause: expect.stringContaining('replays no logs of mysql'),
      },
    });
    expect(await mysql(['replay', 'relay-replay'])).toMatchObject({ outcome: 'fits' });
  });

  it('pins the segments that are read together with the backup', async () => {
    const { log, lock, backupId } = await planned({ gtid: '0-1-170' });
    const held = await makeHold(control)({ execution, lock, clusterId: 'orders', backupId, log });
    expect(held).toEqual({ outcome: 'held' });
    expect(await control.pins.of('orders', 'b-new')).toMatchObject([
      { log: { set: 'main', timeline: 't-1', first: stored[1]!.key, last: stored[3]!.key } },
    ]);
  });
});

describe('The window that is shown', () => {
  const show = async (clusterId = 'orders') => makeShow({ ...control, sites })({ clusterId });
  const shown = async (): Promise<ShownWindow> => {
    const answer = await show();
    if (answer.outcome !== 'shown') throw new Error(answer.error.cause);
    return answer;
  };
  const broke = (kind: 'gap' | 'dead-branch', reason: string) => ({
    kind,
    at: at(29),
    reason,
    timeline: 't-1',
  });
  const first = () =>
    archive(
      't-1',
      '0-1-100',
      [
        { gtids: gtids(101, 120), seen: at(0) },
        { gtids: gtids(121, 160), seen: at(10), newFile: true },
      ],
      at(12),
    );

  it('says from when to when, up to which position, and how far behind the archive is', async () => {
    await first();
    const { says, sets, backup } = await shown();
    expect(backup).toEqual({ backupId: 'b-new', startedAt: at(5) });
    expect(sets).toMatchObject([
      {
        set: 'main',
        archive: { memberId: 'db1', state: 'archiving', durableAt: at(12), behindSeconds: 3180 },
        windows: [{ timeline: 't-1', to: at(12), backups: 2, oldest: 'b-old', newest: 'b-new', gtids: true }],
        holes: [],
        barren: [],
      },
    ]);
    expect(says.join('\n')).toMatch(/^without until: backup b-new of 2026-11-23T08:05/);
    expect(says.join('\n')).toContain(
      'main: archived by db1: up to GTID 0-1-160, binlog.000002:4050, 53 min behind now',
    );
    expect(says.join('\n')).toMatch(
      /main: any time from \S+ to 2026-11-23T08:12:00.000Z, up to GTID 0-1-160/,
    );
  });

  it('is what the plan of a restore then gives, and what lies outside is refused', async () => {
    await first();
    await archive(
      't-2',
      '0-1-200',
      [{ gtids: gtids(201, 220), seen: at(30) }],
      at(40),
      broke('gap', 'purged'),
    );
    await backup('b-next', '0-1-210', at(32), { committedAt: at(33) });
    const [set] = (await shown()).sets;
    expect(set?.windows.map(({ timeline }) => timeline)).toEqual(['t-2', 't-1']);
    for (const { from, to, timeline } of set!.windows) {
      for (const time of [from, to]) {
        expect(await planned({ time })).toMatchObject({ log: { timeline } });
      }
    }
    expect(set?.holes).toEqual([{ from: at(10), to: at(33), why: 'gap: purged' }]);
    expect(await plan({ time: at(20) })).toMatchObject({ error: { name: 'Restore.PointOutside' } });
    expect((await shown()).says).toContain(`main: not between ${at(10)} and ${at(33)}: gap: purged`);
  });

  it('names a dead branch, and a timeline into which no backup leads', async () => {
    await first();
    await archive(
      't-2',
      '0-1-155',
      [{ gtids: gtids(156, 157), seen: at(30) }],
      null,
      broke('dead-branch', 'lost'),
    );
    const says = (await shown()).says.join('\n');
    expect(says).toContain('t-1 is a dead branch behind GTID 0-1-155');
    expect(says).toMatch(/main: not into t-2: archived from .* and no backup that can be used leads into it/);
  });

  it('begins at the first look where nothing had been written yet', async () => {
    await archive(
      't-1',
      '0-1-150',
      [
        { gtids: [], seen: at(6) },
        { gtids: gtids(151, 152), seen: at(40) },
      ],
      at(41),
    );
    const [window] = (await shown()).sets[0]!.windows;
    expect(window).toMatchObject({ oldest: 'b-new' });
    expect(await planned({ time: at(20) })).toMatchObject({ log: { until: { gtid: '0-1-150' } } });
  });

  it('M03 has positions only where there are no GTIDs, and only of the server that wrote the log', async () => {
    await archive(
      't-1',
      '',
      [
        { gtids: ['', ''], seen: at(6) },
        { gtids: [''], seen: at(7) },
      ],
      at(8),
      null,
      'mysql',
    );
    const origin = { uuid: 'u-1', serverId: 1, datadir: '/data', files: 'f' };
    const position = { kind: 'mysql' as const, flavour: 'mysql' as const, gtid: '', file: 'binlog.000001' };
    const own = { ...example('backup'), position: { ...position, offset: 150 }, origin, startedAt: at(5) };
    const archived = (await control.archives.get({ clusterId: 'orders', set: 'main' }))!;
    const anchored = (changes: object) => isAnchored(archived, { ...own, ...changes });
    expect(anchored({})).toBe(true);
    expect(anchored({ origin: { ...origin, uuid: 'u-2' } })).toBe(false);
    expect(anchored({ origin: undefined })).toBe(false);
    expect(anchored({ position: { ...position, offset: 351 } })).toBe(false);
    expect(anchored({ position: { ...position, file: 'binlog.000002', offset: 4 } })).toBe(false);
    const [record] = await control.archives.list('orders');
    const [timeline] = await recordedTimelines(control.archives, record!, site);
    const windows = windowsOf([timeline!], [own]);
    expect(windows.windows).toMatchObject([{ gtids: false, end: { gtid: '', offset: 350 } }]);
    expect(sayWindows(windows)[1]).toMatch(/^positions only: no GTIDs in t-1/);
    expect((await shown()).says.join('\n')).toContain('not into t-1');
    const to = await planUntil('orders', site, { time: at(6) }, [own], control);
    if (to.outcome === 'refused') throw new Error(to.error.cause);
    expect(to.orderFrom({ ...position, offset: 150 })).toMatchObject({
      from: { file: 'binlog.000001', offset: 150 },
      until: { gtid: '', file: 'binlog.000001', offset: 250 },
    });
    expect(to.whyNot(own)).toBeUndefined();
    expect(to.whyNot({ ...own, origin: { ...origin, uuid: 'u-2' } })).toContain('is of server u-1');
    expect(to.whyNot({ ...own, position: { ...position, offset: 300 } })).toContain('behind the point');
  });

  it('M25 finds the point of a MySQL log by the moments of its commits, by GTID with and without a tag, over servers', async () => {
    const [one, two] = ['3e11fa47-71ca-11e1-9e33-c80aa9429562', '4e11fa47-71ca-11e1-9e33-c80aa9429562'];
    const said = [
      { gtids: [`${one}:6`, `${one}:late:1`], seen: at(3) },
      { gtids: [`${two}:1`, `${one}:7`], seen: at(6), newFile: true },
    ];
    await archive('t-1', `${one}:1-5`, said, at(8), null, 'mysql', false);
    const position = { kind: 'mysql' as const, flavour: 'mysql' as const, gtid: `${one}:1-6` };
    const own = { ...example('backup'), flavour: 'mysql', position, startedAt: at(4) };
    const found = async (until: Parameters<typeof planUntil>[2]) => {
      const to = await planUntil('orders', site, until, [own], control);
      if (to.outcome === 'refused') return to.error.cause;
      return to.whyNot(own) ?? to.orderFrom(position).until.gtid;
    };
    expect(await found({ time: at(3) })).toBe(`${one}:1-6:late:1`);
    expect(await found({ time: '2026-11-23T08:05:59.999999Z' })).toBe(`${one}:1-6:late:1`);
    expect(await found({ time: at(6) })).toBe(`${one}:1-7:late:1,${two}:1`);
    expect(await found({ beforeGtid: `${one}:LATE:1` })).toBe(`${one}:1-6`);
    expect(await found({ gtid: `${two}:1` })).toBe(`${one}:1-6:late:1,${two}:1`);
    expect(await found({ beforeGtid: `${one}:6` })).toContain('holds what lies behind the point');
    expect(await found({ gtid: `${one}:8` })).toContain('not in the archived log; the archive reaches to');
    expect(await found({ gtid: '0-1-8' })).toContain('a GTID of mysql is uuid:number');
    expect(await found({ time: at(9) })).toContain(`{"time": "${at(8)}"}`);
  });

  it('M23 replays no log of a later series on a backup of an older one, but an older log on a newer server', async () => {
    const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
    const said = [
      { gtids: [`${uuid}:6`], seen: at(3), version: '8.0.44' },
      { gtids: [`${uuid}:7`], seen: at(6), newFile: true, version: '8.4.7' },
    ];
    await archive('t-1', `${uuid}:1-5`, said, at(8), null, 'mysql', false);
    const position = { kind: 'mysql' as const, flavour: 'mysql' as const, gtid: `${uuid}:1-5` };
    const own = { ...example('backup'), flavour: 'mysql', position, startedAt: at(4) };
    const whyNot = async (until: Parameters<typeof planUntil>[2], serverVersion: string) => {
      const to = await planUntil('orders', site, until, [own], control);
      return to.outcome === 'reachable' ? to.whyNot({ ...own, serverVersion }) : to.error.cause;
    };
    expect(await whyNot('latest', '8.0.40')).toBe(
      `it is of 8.0.40, and from binlog.000002 on, begun after ${uuid}:1-6 and seen at ${at(6)}, the log is of 8.4.7: ask for a point before that, or name a backup of that version`,
    );
    expect(await whyNot({ gtid: `${uuid}:6` }, '8.0.40')).toBeUndefined();
    expect(await whyNot('latest', '8.4.6')).toBeUndefined();
    expect(await whyNot('latest', '9.7.0')).toBeUndefined();
  });

  it('M03 joins no backup without GTIDs to an archive that has them', async () => {
    const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
    await archive('t-1', '', [{ gtids: [`${uuid}:1`], seen: at(6) }], at(8), null, 'mysql', false);
    const position = { kind: 'mysql' as const, flavour: 'mysql' as const, gtid: '', file: 'binlog.000001' };
    const own = { ...example('backup'), position: { ...position, offset: 50 }, startedAt: at(5) };
    const to = await planUntil('orders', site, 'latest', [own], control);
    expect(to.outcome === 'reachable' && to.whyNot(own)).toBe('it has no GTIDs, and the archive has');
  });

  it('says so where nothing is archived, and where nobody bears the name', async () => {
    expect((await shown()).says).toContain('no log of orders is archived: logs.archive of its policy');
    expect(await show('ordres')).toMatchObject({ error: { name: 'Cluster.Unknown' } });
  });
});

describe('what the archiver has stored since the last pass of Reconcile', () => {
  const said = [
    { gtids: gtids(101, 140), seen: at(3) },
    { gtids: gtids(141, 160), seen: at(6) },
    { gtids: gtids(161, 180), seen: at(8) },
    { gtids: gtids(181, 200), seen: at(10) },
  ];
  /** The first two are recorded; all four are stored, and the last is named by the row of a host that is gone since. */
  async function lost(report: object = {}, stored = said.length) {
    await archive('t-1', '0-1-100', said.slice(0, 2), at(6));
    const log = syntheticLog(
      { clusterId: 'orders', timeline: 't-1', flavour: 'mariadb', begins: '0-1-100' },
      said,
    );
    for (const { key, body } of log.slice(0, stored)) control.objects.put(site.bucket, key, body);
    const { header, key, crc } = log.at(-1)!;
    const userid = 'AROAEXAMPLE:i-0a';
    const host = example('host');
    await control.hosts.restore({ ...host, userid, document: { ...host.document, hostId: 'i-0a' } });
    const set = {
      ...{ clusterId: 'orders', set: 'main', memberId: 'db1', reachable: true, role: 'primary' },
      ...{ serverVersion: '', serverUuid: 'u-1', unfit: [], gtid: '' },
      archive: {
        ...{ timeline: 't-1', epoch: 1, state: 'archiving', reason: '' },
        newest: archiveEndOf(header, key, crc),
        durableAt: at(11),
        ...report,
      },
    };
    await control.agents.order(userid, 'i-0a', { at: at(1), sets: [] });
    const [from, rows] = [at(11), control.dynamo.tables.get('jobs')!];
    const told = { at: from, startedAt: from, runnerVersion: 'test', disks: [], sets: [set] };
    rows.set(`${userid}\u0000agent`, { v: 1, pk: userid, sk: 'agent', hostId: 'i-0a', report: told });
    return log;
  }

  it('is restored with the rest, up to the last second that is known to be whole', async () => {
    const log = await lost();
    expect(await planned('latest')).toMatchObject({
      log: { until: { gtid: '0-1-200' }, segments: 4, ends: [{ key: log[3]!.key }, {}, {}, {}] },
    });
    expect(await planned({ time: at(11) })).toMatchObject({ log: { until: { gtid: '0-1-200' } } });
    expect(await planned({ gtid: '0-1-170' })).toMatchObject({ log: { until: { gtid: '0-1-170' } } });
    expect(await plan({ time: at(12) })).toMatchObject({
      error: { cause: expect.stringContaining(`the archive reaches to ${at(11)}`) },
    });
  });

  it('is named once, where Reconcile records it meanwhile', async () => {
    const log = await lost();
    const found = log.slice(2).map(({ key, crc, body, header }) => ({
      header,
      end: archiveEndOf(header, key, crc),
      bytes: body.length,
    }));
    const record = (await control.archives.get({ clusterId: 'orders', set: 'main' }))!;
    await recordSegments({ archives: control.archives, objects: control.objectsOf(site) }, record, found);
    expect(await planned('latest')).toMatchObject({ log: { until: { gtid: '0-1-200' }, segments: 4 } });
  });

  it.each([
    ['of another timeline', { timeline: 't-0' }, 4],
    ['of an archiver that was replaced', { epoch: 0 }, 4],
    ['of a dead branch', { state: 'dead-branch' }, 4],
    ['that does not reach what is recorded', {}, 3],
  ])('counts for nothing %s', async (_, report, stored) => {
    await lost(report, stored);
    expect(await planned('latest')).toMatchObject({ log: { until: { gtid: '0-1-160' } } });
  });
});

it('says that no log is archived where none is', async () => {
  expect(await plan('latest')).toMatchObject({
    error: { name: 'Restore.PointOutside', cause: expect.stringContaining('no log of orders is archived') },
  });
});

describe('Plan the restore to a point of a log without GTIDs', () => {
  const none = (transactions: number) => Array.from({ length: transactions }, () => '');
  beforeEach(async () => {
    await archive('t-1', '', [
      { gtids: none(10), seen: at(2) },
      { gtids: none(10), seen: at(4), newFile: true },
      { gtids: none(10), seen: at(6) },
      { gtids: none(10), seen: at(8), newFile: true },
    ]);
    await backup('b-1', '', '2026-11-23T08:01:30.000Z', {}, { file: 'binlog.000001', offset: 550 });
    await backup('b-2', '', '2026-11-23T08:07:00.000Z', {}, { file: 'binlog.000002', offset: 1850 });
  });

  it.each([
    [{ file: 'binlog.000003', offset: 350 }, 'b-2', { file: 'binlog.000003', offset: 350 }],
    [{ file: 'binlog.000002', offset: 2050 }, 'b-2', { file: 'binlog.000002', offset: 2050 }],
    // The newest backup lies in the same file, but behind it.
    [{ file: 'binlog.000002', offset: 1250 }, 'b-1', { file: 'binlog.000002', offset: 1250 }],
    [{ time: '2026-11-23T08:05:00Z' }, 'b-1', { file: 'binlog.000002', offset: 1050 }],
  ])('leads %j to a place, from the newest backup before it', async (until, backupId, place) => {
    expect(await planned(until)).toMatchObject({ backupId, log: { until: place } });
  });

  it('refuses a place within a transaction with those before and behind it', async () => {
    expect(await plan({ file: 'binlog.000002', offset: 1300 })).toMatchObject({
      error: {
        name: 'Restore.PointOutside',
        cause: expect.stringMatching(
          /lies within a transaction; ask for .*"offset": 1250\} .*"offset": 1350\}/,
        ),
      },
    });
  });
});
