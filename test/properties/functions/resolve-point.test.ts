import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SegmentIndex } from '../../../contract/formats/segment.ts';
import { formatMysqlGtid, parseMysqlGtid } from '../../../contract/positions/mysql-gtid.ts';
import { momentOf } from '../../../contract/records/until.ts';
import { resolvePoint, type Stretch } from '../../../functions/restore/point/resolve-point.ts';

type Flavour = 'mariadb' | 'mysql';
/** A transaction as the whole log has it: its file, its bytes, when it was written and between which looks it appeared. */
type Logged = {
  gtid: string;
  file: number;
  at: number;
  bytes: number;
  time: number;
  after: number;
  by: number;
};

const second = 1_000_000;
const uuid = '3e11fa47-71ca-11e1-9e33-c80aa9429562';
const start = Date.UTC(2026, 10, 25) * 1000;

const step = fc.record({
  domain: fc.nat({ max: 1 }),
  bytes: fc.integer({ min: 1, max: 40 }),
  /** Bytes of no transaction before it. */
  between: fc.nat({ max: 10 }),
  /** A new file begins with it. */
  rotates: fc.boolean().map((yes) => yes),
  /** Milliseconds from the look before to the one that sees it; 0: seen by the same look. */
  wait: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4000 })),
  /** How long before its look it was written, in microseconds; a clock may run ahead. */
  age: fc.integer({ min: -second, max: 3 * second }),
  /** Where in it, or behind it, segments end. */
  cuts: fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 2 }),
});

type Made = { flavour: Flavour; log: Logged[]; stretch: Stretch; indexes: SegmentIndex[] };

/** Cuts a log into segments anywhere, within transactions too, as an archiver of small segments would. */
function make(
  flavour: Flavour,
  steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
): Made {
  const log: Logged[] = [];
  const seqs = [0, 0];
  const files: { end: number; cuts: Set<number>; looks: { to: number; at: number }[] }[] = [];
  let look = start + second;
  let before = start;
  for (const [i, s] of steps.entries()) {
    if (i === 0 || (s.rotates && i % 3 === 0)) files.push({ end: 4, cuts: new Set(), looks: [] });
    const file = files.at(-1)!;
    if (s.wait > 0 || i === 0) {
      before = i === 0 ? 0 : look;
      look += Math.max(1, s.wait) * 1000;
    }
    const at = file.end + s.between;
    const domain = flavour === 'mysql' ? 0 : s.domain;
    seqs[domain]!++;
    const gtid =
      flavour === 'mysql' ? `${uuid}:${seqs[0]}` : `${domain}-${1 + (seqs[domain]! % 2)}-${seqs[domain]}`;
    const written = look - s.age;
    const time = flavour === 'mysql' ? written : Math.floor(written / second) * second;
    log.push({ gtid, file: files.length - 1, at, bytes: s.bytes, time, after: before, by: look });
    file.end = at + s.bytes;
    for (const cut of s.cuts) file.cuts.add(Math.min(file.end, at + cut));
    file.looks.push({ to: file.end, at: look });
  }
  const segments: Stretch['segments'][number][] = [];
  const indexes: SegmentIndex[] = [];
  const positionOf = (of: readonly Logged[]) => {
    if (flavour === 'mysql') return formatMysqlGtid(parseMysqlGtid(of.map(({ gtid }) => gtid).join(',')));
    const domains = new Map(of.map(({ gtid }) => [gtid.split('-')[0]!, gtid]));
    return [...domains]
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, gtid]) => gtid)
      .join(',');
  };
  const position = (gtid: string) => ({ kind: 'mysql' as const, flavour, gtid });
  for (const [n, file] of files.entries()) {
    const ends = [...new Set([...file.cuts, file.end])].sort((a, b) => a - b);
    let from = 0;
    for (const to of ends) {
      const endsBy = (offset: number) => (t: Logged) =>
        t.file < n || (t.file === n && t.at + t.bytes <= offset);
      const own = log.filter((t) => t.file === n && t.at + t.bytes > from && t.at + t.bytes <= to);
      const open = log.find((t) => t.file === n && t.at < to && t.at + t.bytes > to);
      const seen = file.looks.filter((l, i) => l.to > from && (file.looks[i - 1]?.to ?? 0) < to);
      const looks = seen
        .filter((l, i) => seen[i + 1]?.at !== l.at)
        .map((l) => ({ to: Math.min(l.to, to), at: new Date(l.at / 1000).toISOString() }));
      const times = own.map(({ time }) => time);
      segments.push({
        key: `${n}/${from}`,
        crc: '00000000',
        set: 'main',
        flavour,
        log: { file: `binlog.${String(n + 1).padStart(6, '0')}`, from, to, begins: from === 0 },
        start: position(positionOf(log.filter(endsBy(from)))),
        end: position(positionOf(log.filter(endsBy(to)))),
        openAfter: open === undefined ? null : { gtid: open.gtid, at: open.at },
        commits: times.length === 0 ? null : { first: Math.min(...times), last: Math.max(...times) },
        seen: { first: looks[0]!.at, last: looks.at(-1)!.at },
        transactions: own.length,
      });
      indexes.push({
        t: 'index',
        v: 1,
        tables: [],
        transactions: own.map(({ gtid, at, bytes, time }) => ({ gtid, at, bytes, time })),
        looks,
      });
      from = to;
    }
  }
  return { flavour, log, stretch: { timeline: 't-1', segments, durableAt: null }, indexes };
}

const made = fc
  .tuple(fc.constantFrom<Flavour>('mariadb', 'mysql'), fc.array(step, { minLength: 1, maxLength: 25 }))
  .map(([flavour, steps]) => make(flavour, steps));

/** The same log of a server that gives no GTIDs. */
const withoutGtids = (of: Made): Made => ({
  ...of,
  stretch: {
    ...of.stretch,
    segments: of.stretch.segments.map((segment) => ({
      ...segment,
      start: { ...segment.start, gtid: '' },
      end: { ...segment.end, gtid: '' },
      openAfter: segment.openAfter && { ...segment.openAfter, gtid: '' },
    })),
  },
  indexes: of.indexes.map((index) => ({
    ...index,
    transactions: index.transactions.map((transaction) => ({ ...transaction, gtid: '' })),
  })),
});

const resolve = (of: Made, until: Parameters<typeof resolvePoint>[0]) =>
  resolvePoint(until, of.stretch, async (n) => of.indexes[n]!);

/** What the point holds, read naively off the whole log: the transactions before its file and offset. */
const prefixOf = (
  { log, stretch }: Made,
  position: { file?: string | undefined; offset?: number | undefined },
) =>
  log.filter(({ file, at, bytes }) => {
    const name = `binlog.${String(file + 1).padStart(6, '0')}`;
    return name < position.file! || (name === position.file && at + bytes <= position.offset!);
  }).length +
  0 * stretch.segments.length;

const gtidOf = ({ flavour, log }: Made, length: number) => {
  const gtids = log.slice(0, length).map(({ gtid }) => gtid);
  if (flavour === 'mysql') return formatMysqlGtid(parseMysqlGtid(gtids.join(',')));
  const domains = new Map(gtids.map((gtid) => [gtid.split('-')[0]!, gtid]));
  return [...domains]
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, gtid]) => gtid)
    .join(',');
};

describe('the exact position of a point', () => {
  it('M25 is for a time the longest prefix of transactions committed by then, as a naive reading of the whole log finds it', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.nat({ max: 40_000 }), async (of, milliseconds) => {
        const last = of.log.at(-1)!.by;
        const micros = Math.min(start + milliseconds * 1000, last);
        const point = await resolve(of, { time: momentOf(micros) });
        const naive = of.log.findIndex((t) =>
          of.flavour === 'mysql'
            ? t.time > micros
            : t.by + second > micros && (t.after >= micros || t.time >= micros),
        );
        const length = naive < 0 ? of.log.length : naive;
        // Once somebody has looked, an empty log is known to be one.
        if (length === 0 && micros < Date.parse(of.stretch.segments[0]!.seen.first) * 1000) {
          expect(point).toMatchObject({ outcome: 'no-point', why: 'it lies before the archive begins' });
          return;
        }
        expect(point).toMatchObject({ outcome: 'point', position: { gtid: gtidOf(of, length) } });
        if (point.outcome !== 'point') return;
        expect(prefixOf(of, point.position)).toBe(length);
        const perhaps = of.log
          .slice(0, length)
          .filter((t) => of.flavour === 'mariadb' && t.by + second > micros);
        expect(point.perhapsLater).toBe(perhaps.length);
      }),
      { numRuns: 2000 },
    );
  });

  it('is for a GTID what ends with it, and for what lies before it all but it', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.nat(), async (of, which) => {
        const n = which % of.log.length;
        const { gtid } = of.log[n]!;
        for (const [until, length] of [
          [{ gtid: gtid.toUpperCase() }, n + 1],
          [{ beforeGtid: gtid }, n],
        ] as const) {
          const point = await resolve(of, until);
          expect(point).toMatchObject({ outcome: 'point', position: { gtid: gtidOf(of, length) } });
          if (point.outcome === 'point') expect(prefixOf(of, point.position)).toBe(length);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps over a handover what the log of the one before had, also where the next one has it in another order', async () => {
    const segment = (serverUuid: string, from: string, to: string, seen: number) => ({
      key: `${serverUuid}-${seen}`,
      crc: '00000000',
      set: 'main',
      serverUuid,
      flavour: 'mariadb' as const,
      log: { file: `binlog.00000${seen}`, from: 0, to: 100, begins: true },
      start: { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid: from },
      end: { kind: 'mysql' as const, flavour: 'mariadb' as const, gtid: to },
      openAfter: null,
      commits: null,
      seen: { first: momentOf(start + seen * 1e6), last: momentOf(start + seen * 1e6) },
      transactions: 1,
    });
    const segments = [
      segment('a', '0-1-1', '0-1-9,1-1-4', 1),
      segment('a', '0-1-9,1-1-4', '0-1-9,1-1-5', 2),
      // It had applied domain 0 first; what it has of domain 1 comes again.
      segment('b', '0-1-9', '0-1-9,1-1-3', 3),
      segment('b', '0-1-9,1-1-3', '0-2-10,1-1-5', 4),
    ];
    const gtids = await Promise.all(
      [2, 3, 4].map(async (n) => {
        const stretch = { timeline: 't-1', segments: segments.slice(0, n), durableAt: null };
        const point = await resolvePoint('latest', stretch, async () =>
          Promise.reject(new Error('not read')),
        );
        return point.outcome === 'point' && point.position.gtid;
      }),
    );
    expect(gtids).toEqual(['0-1-9,1-1-5', '0-1-9,1-1-5', '0-2-10,1-1-5']);
  });

  it('M22 never lies within a transaction that goes on in a segment not yet archived', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.nat(), async (of, which) => {
        const keep = 1 + (which % of.stretch.segments.length);
        const cut = { ...of, stretch: { ...of.stretch, segments: of.stretch.segments.slice(0, keep) } };
        const complete = of.indexes
          .slice(0, keep)
          .reduce((sum, { transactions }) => sum + transactions.length, 0);
        const point = await resolve(cut, 'latest');
        expect(point).toMatchObject({ outcome: 'point', position: { gtid: gtidOf(of, complete) } });
        if (point.outcome === 'point') expect(prefixOf(of, point.position)).toBe(complete);
      }),
    );
  });

  it('is in a log without GTIDs what ends before a place, where no transaction goes on', async () => {
    await fc.assert(
      fc.asyncProperty(made, fc.nat(), fc.nat(), async (of, which, how) => {
        const { file: n } = of.log[which % of.log.length]!;
        const own = of.log.filter((t) => t.file === n);
        const file = `binlog.${String(n + 1).padStart(6, '0')}`;
        const end = own.at(-1)!.at + own.at(-1)!.bytes;
        // One byte behind the file's end too.
        const offset = 4 + (how % (end - 2));
        const point = await resolve(withoutGtids(of), { file, offset });
        const within = own.find((t) => t.at < offset && offset < t.at + t.bytes);
        if (offset > end) {
          expect(point).toMatchObject({
            why: `${file} is archived from 0 to ${end}, and ${offset} lies outside`,
          });
        } else if (within) {
          expect(point).toMatchObject({
            why: `${file}:${offset} lies within a transaction`,
            nearest: expect.stringContaining(`{"file": "${file}", "offset": ${within.at}} without it`),
          });
        } else {
          expect(point).toMatchObject({ outcome: 'point', position: { gtid: '', file } });
          const length = of.log.filter(
            (t) => t.file < n || (t.file === n && t.at + t.bytes <= offset),
          ).length;
          if (point.outcome === 'point') expect(prefixOf(of, point.position)).toBe(length);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('is no place in a file where there are GTIDs: files of several servers may bear one name', async () => {
    const of = make('mysql', [
      { domain: 0, bytes: 10, between: 0, rotates: false, wait: 0, age: 0, cuts: [] },
    ]);
    expect(await resolve(of, { file: 'binlog.000001', offset: 4 })).toMatchObject({
      outcome: 'no-point',
      nearest: expect.stringContaining('beforeGtid'),
    });
    expect(await resolve(withoutGtids(of), { file: 'binlog.000007', offset: 4 })).toMatchObject({
      why: 'binlog.000007 is not in the archive, which begins with binlog.000001',
    });
  });
});
