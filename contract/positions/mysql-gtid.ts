import { NamedError } from '../errors/named-error.ts';

/** Transactions `first`…`last` of one source, both included. */
export type GtidInterval = { first: bigint; last: bigint };

/**
 * A MySQL GTID set: by source (`uuid`, or `uuid:tag` since 8.3) its intervals, ascending, apart by at least one
 * missing transaction. Sets that are equal have equal text.
 */
export type MysqlGtidSet = ReadonlyMap<string, readonly GtidInterval[]>;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const tagPattern = /^[a-z_][a-z0-9_]{0,31}$/;
const intervalPattern = /^(\d{1,19})(?:-(\d{1,19}))?$/;
/** The server counts in a signed 64-bit number and keeps the last value free. */
const largest = 2n ** 63n - 2n;

function refuse(text: string, why: string): never {
  throw new NamedError('Input.Invalid', `GTID set: ${why}`, { field: 'gtid', value: text.slice(0, 200) });
}

/** Intervals in order, those that touch or overlap made one. */
function merged(intervals: readonly GtidInterval[]): GtidInterval[] {
  const sorted = [...intervals].sort((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0));
  const result: GtidInterval[] = [];
  for (const { first, last } of sorted) {
    const before = result.at(-1);
    if (before && first <= before.last + 1n) {
      if (last > before.last) before.last = last;
    } else {
      result.push({ first, last });
    }
  }
  return result;
}

/** Untagged transactions of a uuid come before its tagged ones, as the server prints them. */
const bySource = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** A set from intervals in any order; sources without any are left out. */
function setOf(intervals: ReadonlyMap<string, readonly GtidInterval[]>): MysqlGtidSet {
  const sources = [...intervals.keys()].sort(bySource);
  return new Map(
    sources.map((s) => [s, merged(intervals.get(s)!)] as const).filter(([, of]) => of.length > 0),
  );
}

/**
 * Reads what `@@gtid_executed` and backup tools print: `uuid[:tag]:first[-last][:…]`, sources separated by commas,
 * line breaks and spaces anywhere (the server breaks lines after each comma). Throws `Input.Invalid`.
 */
export function parseMysqlGtid(text: string): MysqlGtidSet {
  const found = new Map<string, GtidInterval[]>();
  for (const part of text.replace(/\s+/g, '').toLowerCase().split(',')) {
    if (part === '') continue;
    const [uuid, ...rest] = part.split(':');
    if (!uuidPattern.test(uuid!)) refuse(text, `${uuid} is not a uuid`);
    if (rest.length === 0) refuse(text, `${uuid} names no transactions`);
    let source = uuid!;
    let named = true;
    for (const token of rest) {
      const interval = intervalPattern.exec(token);
      if (!interval) {
        if (!tagPattern.test(token)) refuse(text, `${token} is neither an interval nor a tag`);
        if (source !== uuid && !named) refuse(text, `tag ${source.slice(37)} names no transactions`);
        source = `${uuid}:${token}`;
        named = false;
        continue;
      }
      const first = BigInt(interval[1]!);
      const last = interval[2] === undefined ? first : BigInt(interval[2]);
      if (first < 1n || last < first || last > largest)
        refuse(text, `${token} is not an interval: 1 <= first <= last`);
      found.set(source, [...(found.get(source) ?? []), { first, last }]);
      named = true;
    }
    if (!named) refuse(text, `tag ${source.slice(37)} names no transactions`);
  }
  return setOf(found);
}

/** One line, sources sorted, tags behind their uuid: equal sets give equal text, the empty set the empty string. */
export function formatMysqlGtid(set: MysqlGtidSet): string {
  const byUuid = new Map<string, string[]>();
  for (const source of [...set.keys()].sort(bySource)) {
    const uuid = source.slice(0, 36);
    const intervals = set
      .get(source)!
      .map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
    byUuid.set(uuid, [...(byUuid.get(uuid) ?? []), source.slice(37), ...intervals].filter(Boolean));
  }
  return [...byUuid].map(([uuid, tokens]) => [uuid, ...tokens].join(':')).join(',');
}

/** Every transaction of either. */
export function mysqlGtidUnion(a: MysqlGtidSet, b: MysqlGtidSet): MysqlGtidSet {
  const all = new Map<string, readonly GtidInterval[]>(a);
  for (const [source, intervals] of b) all.set(source, [...(all.get(source) ?? []), ...intervals]);
  return setOf(all);
}

/** The transactions of `a` that `b` does not have. */
export function mysqlGtidSubtract(a: MysqlGtidSet, b: MysqlGtidSet): MysqlGtidSet {
  const rest = new Map<string, GtidInterval[]>();
  for (const [source, intervals] of a) {
    let kept = intervals.map((i) => ({ ...i }));
    for (const hole of b.get(source) ?? []) {
      kept = kept.flatMap(({ first, last }) =>
        [
          { first, last: last < hole.first ? last : hole.first - 1n },
          { first: first > hole.last ? first : hole.last + 1n, last },
        ].filter((piece) => piece.first <= piece.last),
      );
    }
    rest.set(source, kept);
  }
  return setOf(rest);
}

/** Whether `a` has every transaction of `b`. */
export const mysqlGtidContains = (a: MysqlGtidSet, b: MysqlGtidSet): boolean =>
  mysqlGtidSubtract(b, a).size === 0;

export const mysqlGtidEquals = (a: MysqlGtidSet, b: MysqlGtidSet): boolean =>
  formatMysqlGtid(a) === formatMysqlGtid(b);

/** Whether `set` has the transaction `uuid[:tag]:number`; quick, for one after the other of a whole log. */
export function mysqlGtidHas(set: MysqlGtidSet, gtid: string): boolean {
  const end = gtid.lastIndexOf(':');
  const intervals = set.get(gtid.slice(0, end));
  if (intervals === undefined) return false;
  const number = BigInt(gtid.slice(end + 1));
  return intervals.some(({ first, last }) => first <= number && number <= last);
}
